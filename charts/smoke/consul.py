"""Consul: the app's keys, its token, and DNS."""

import uuid

from . import dns
from .check import Failed, logs

# A service that every profile registers in Consul.
REGISTERED = "redis.service.consul"


class Consul:
    def __init__(self, settings):
        self.settings = settings
        self.key = f"{settings.consul_url}/v1/kv/app/{settings.name}"
        self.token = {"X-Consul-Token": settings.consul_token}

    def checks(self):
        yield "Consul writes, reads and deletes a key with the app's token, and refuses without it", self.stores_key, logs("consul-acl")
        yield "Consul refuses missing and wrong tokens", self.refuses_wrong_tokens, logs("consul")
        # Consul checks services every 15 s and leaves a restarted one out of its DNS until then.
        yield "Consul's DNS resolves a service over UDP and TCP", lambda check: check.until(lambda: self.resolves(check)), logs("consul")

    def stores_key(self, check):
        value = self.settings.run
        for method, url, body, expected in (
            ("PUT", self.key, value.encode(), "true"),
            ("GET", f"{self.key}?raw", None, value),
            ("DELETE", self.key, None, "true"),
        ):
            status, text = check.call(method, url, self.token, body)
            if status != 200 or text.strip() != expected:
                raise Failed(f"{method} {url} returned {status}: {text.strip()[:120]}")
        status, _ = check.call("GET", self.key, self.token)
        if status != 404:
            raise Failed(f"GET {self.key} returned {status} after the key was deleted")
        check.expect_refusal("PUT", self.key, body=b"refused")
        check.expect_refusal("GET", self.key)

    def refuses_wrong_tokens(self, check):
        for headers in ({}, {"X-Consul-Token": str(uuid.uuid4())}):
            check.expect_refusal("PUT", self.key, headers, b"refused")

    def resolves(self, check):
        for transport in ("UDP", "TCP"):
            dns.query(self.settings.consul_dns, REGISTERED, transport, check.timeouts.request)
        return REGISTERED

    def cleanups(self, check):
        yield "the key", lambda: check.delete(self.key, self.token)
