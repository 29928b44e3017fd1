import threading

import pytest

from .conftest import TRACE
from .grafana import Grafana
from .telemetry import Telemetry


class FakeGrafana:
    """Five wrong passwords lock its one user out."""

    def __init__(self, servers, password="GRAFANA_PASSWORD-Pa55", anonymous=False, message_id="login-attempt.blocked"):
        self.password, self.anonymous, self.message_id, self.wrong = password, anonymous, message_id, 0
        self.health = {uid: (200, {"status": "OK", "message": f"{uid} works"}) for uid in ("loki", "prometheus", "tempo")}
        servers.responses["/api/datasources"] = self.to_users(lambda: (200, [{"uid": uid} for uid in self.health]))
        for uid in self.health:
            servers.responses[f"/api/datasources/uid/{uid}/health"] = self.to_users(lambda uid=uid: self.health[uid])

    def to_users(self, answer):
        def respond(request):
            user, _, password = request.login.partition(":")
            if (self.anonymous and not user) or (user == "admin" and password == self.password and self.wrong < 5):
                return answer()
            blocked = user == "admin" and self.wrong >= 5
            self.wrong += user == "admin"
            return 401, {"message": "Invalid username or password", "messageId": self.message_id if blocked else "password-auth.failed"}

        return respond


@pytest.fixture
def grafana(settings, note):
    return lambda: Grafana(settings, Telemetry(settings, note))


def test_the_login_check_locks_nobody_out(grafana, servers, run_check):
    server = FakeGrafana(servers)
    for _ in range(6):
        assert run_check(grafana().accepts_one_login)["state"] == "ok"
    assert server.wrong == 0
    assert len({request.login.partition(":")[0] for request in servers.requests}) == 3, "no login, an unknown user and admin"


@pytest.mark.parametrize(("message_id", "words"), [("login-attempt.blocked", "admin is locked out"), ("password-auth.failed", "lock admin out")])
def test_a_locked_out_admin_is_reported(grafana, servers, run_check, message_id, words):
    FakeGrafana(servers, message_id=message_id).wrong = 5
    line = run_check(grafana().accepts_one_login)
    assert line["state"] == "failed" and words in line["detail"], line


def test_anonymous_access_and_the_default_password_are_found(grafana, servers, settings, run_check):
    FakeGrafana(servers, anonymous=True)
    assert "instead of 401" in run_check(grafana().accepts_one_login)["detail"]
    settings.grafana_password = "admin"
    FakeGrafana(servers, password="admin")
    assert "Grafana's default" in run_check(grafana().accepts_one_login)["detail"]


def test_a_wrong_password_is_tried_once(grafana, servers, run_check):
    server, checks = FakeGrafana(servers, password="another"), grafana()
    for question in (checks.accepts_one_login, checks.sources_are_healthy, checks.proxies_trace):
        assert run_check(question)["state"] == "failed"
    assert server.wrong == 1


def test_the_proxy_returns_the_trace(grafana, servers, run_check):
    checks, (service, name) = grafana(), ("celery-app", "run/main.note")
    checks.logged_in.set_result(None)
    checks.telemetry.traced = False
    spans = {"trace": {"resourceSpans": [{"name": name, "resource": {"service.name": service}}]}}
    servers.responses[f"/api/datasources/proxy/uid/tempo/api/v2/traces/{TRACE}"] = lambda request: (
        (200, spans) if request.login == "admin:GRAFANA_PASSWORD-Pa55" else (401, {}))
    line = run_check(checks.proxies_trace)
    assert line["detail"].startswith("the worker's span is there") and line["standins"] == ["tempo"], line


def test_a_data_source_is_as_healthy_as_grafana_reports(grafana, servers, run_check):
    server, checks = FakeGrafana(servers), grafana()
    checks.logged_in.set_result(None)
    line = run_check(checks.sources_are_healthy)
    assert (line["detail"], line["standins"]) == ("loki, prometheus, tempo", ["loki", "tempo"])
    broken = {"tempo": (400, {"status": "ERROR", "message": "rpc error: code = Unavailable"})}
    server.health |= broken
    threading.Timer(0.3, server.health.update, [{"tempo": (200, {"message": "it works now"})}]).start()
    assert run_check(checks.sources_are_healthy)["state"] == "ok"
    server.health |= broken
    assert run_check(checks.sources_are_healthy)["detail"] == "tempo returned 400: rpc error: code = Unavailable"
    del server.health["loki"]
    assert run_check(checks.sources_are_healthy)["detail"] == "no data source loki"
