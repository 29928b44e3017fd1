from .redis import RedisServers, connect
from .settings import Settings


def test_a_redis_with_a_password_refuses_others(redis, env, run_check):
    assert run_check(RedisServers(Settings(env)).refuses_wrong_passwords)["state"] == "ok"


def test_a_redis_that_does_not_answer_is_named(settings, run_check):
    assert run_check(RedisServers(settings).refuses_wrong_passwords)["detail"].startswith("redis://127.0.0.1:1/0: ")


def test_a_redis_without_a_password_is_found(redis, env, run_check):
    connect(env["BROKER_URL"], "BROKER_PASSWORD-Pa55", 2).config_set("requirepass", "")
    assert run_check(RedisServers(Settings(env)).refuses_wrong_passwords)["detail"].endswith("/0 accepts no password")
