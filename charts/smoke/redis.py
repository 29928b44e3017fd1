"""Redis: connections with a password, and only with it."""

from redis import AuthenticationError, Redis, RedisError

from .check import Failed, logs


def connect(url, password, timeout):
    return Redis.from_url(url, password=password, socket_timeout=timeout, socket_connect_timeout=timeout)


class RedisServers:
    def __init__(self, settings):
        self.urls, self.wrong_password = (settings.broker_url, settings.cache_url), settings.run

    def checks(self):
        yield "Redis refuses missing and wrong passwords", self.refuses_wrong_passwords, logs("redis")

    def refuses_wrong_passwords(self, check):
        for url in self.urls:
            for password in (None, self.wrong_password):
                try:
                    connect(url, password, check.timeouts.request).ping()
                except AuthenticationError:
                    continue
                except RedisError as error:
                    raise Failed(f"{url}: {error}") from None
                raise Failed(f"{url} accepts {'a wrong' if password else 'no'} password")
