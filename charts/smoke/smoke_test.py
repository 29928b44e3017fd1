"""smoke.py's judgements: what it makes of the answers of servers that say what the products say."""

import base64
import importlib.util
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

WAITS = {"names": 1, "task": 1, "arrival": 1}
TRACE = "00ab" + "1" * 28
SPANS = [{"name": "run/main.note", "resource": {"service.name": "celery-app"}}]


class Services:
    """All services at one address. Answers are by path; a function is given the login and the query."""

    def __init__(self):
        self.answers, self.asked = {}, []
        services = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def answer(self):
                url = urlsplit(self.path)
                login = base64.b64decode(self.headers.get("Authorization", "").removeprefix("Basic ")).decode()
                services.asked.append((self.command, url.path, login))
                answer = services.answers.get(url.path, (404, "not found"))
                status, body = answer(login, parse_qs(url.query)) if callable(answer) else answer
                self.send_response(405 if self.command == "HEAD" else status)
                self.send_header("X-Standin", "tempo-standin")
                self.end_headers()
                self.wfile.write((body if isinstance(body, str) else json.dumps(body)).encode())

            do_GET = do_HEAD = answer

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=[0.05], daemon=True).start()


@pytest.fixture
def services():
    made = Services()
    yield made
    made.server.shutdown()


@pytest.fixture
def smoke(services, tmp_path, monkeypatch):
    """smoke.py as a module, with the environment of its Job."""
    for name in ("BROKER", "CACHE", "ARANGO", "GRAFANA", "CONSUL"):
        (tmp_path / name).write_text(f"{name}-Pa55\n")
        monkeypatch.setenv(f"{name}_CREDENTIAL", str(tmp_path / name))
    for name in ("ARANGO", "TEMPO", "PROMETHEUS", "LOKI", "GRAFANA", "CONSUL"):
        monkeypatch.setenv(f"{name}_URL", services.url)
    for name in ("BROKER", "RESULTS", "CACHE"):
        monkeypatch.setenv(f"{name}_URL", "redis://127.0.0.1:1/0")
    more = {"OTEL_SERVICE_NAME": "platform-smoke", "APP_NAME": "celery-app", "NAMESPACE": "platform-dev", "QUEUES": '{"celery": "default"}'}
    more |= {"ARANGO_DATABASE": "db", "ARANGO_USERNAME": "user", "SERVICES": "redis", "CONSUL_DNS": "127.0.0.1:1", "WAITS": json.dumps(WAITS)}
    for name, value in more.items():
        monkeypatch.setenv(name, value)
    spec = importlib.util.spec_from_file_location("smoke", Path(__file__).with_name("smoke.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.trace is not None, "the app's packages hold OpenTelemetry"
    return module


@pytest.fixture
def judged(smoke, capsys):
    """The line of one check."""

    def judge(question):
        smoke.check("x", question, "get pods")
        return json.loads(capsys.readouterr().out.splitlines()[-1])

    return judge


class Grafana:
    """Its logins: five wrong passwords lock its one user out."""

    def __init__(self, services, password="GRAFANA-Pa55", anonymous=False, message_id="login-attempt.blocked"):
        self.password, self.anonymous, self.message_id, self.wrong = password, anonymous, message_id, 0
        self.health = {uid: (200, {"status": "OK", "message": f"{uid} works"}) for uid in ("loki", "prometheus", "tempo")}
        services.answers["/api/datasources"] = self.to_users(lambda: (200, [{"uid": uid} for uid in self.health]))
        for uid in self.health:
            services.answers[f"/api/datasources/uid/{uid}/health"] = self.to_users(lambda uid=uid: self.health[uid])

    def to_users(self, answer):
        def asked(login, _):
            user, _, password = login.partition(":")
            if (self.anonymous and not user) or (user == "admin" and password == self.password and self.wrong < 5):
                return answer()
            blocked = user == "admin" and self.wrong >= 5
            self.wrong += user == "admin"
            return 401, {"message": "Invalid username or password", "messageId": self.message_id if blocked else "password-auth.failed"}

        return asked


def test_logins_prove_who_is_let_in_and_lock_nobody_out(smoke, services, judged):
    grafana = Grafana(services)
    for _ in range(6):
        smoke.entered = smoke.Future()
        assert judged(smoke.logins)["state"] == "ok"
    assert grafana.wrong == 0
    assert len({login for _, _, login in services.asked}) == 3, "no login, one of nobody, and the Secret's"


@pytest.mark.parametrize("message_id, words", [("login-attempt.blocked", "admin is locked out"), ("password-auth.failed", "lock admin out")])
def test_an_admin_who_is_locked_out_is_said_to_be(smoke, services, judged, message_id, words):
    Grafana(services, message_id=message_id).wrong = 5
    line = judged(smoke.logins)
    assert line["state"] == "failed" and words in line["saw"], line


def test_a_grafana_that_lets_anybody_in_or_has_its_default_password_is_found(smoke, services, judged):
    Grafana(services, anonymous=True)
    assert "should be refused" in judged(smoke.logins)["saw"]
    smoke.entered, smoke.CREDENTIALS["GRAFANA"] = smoke.Future(), "admin"
    Grafana(services, password="admin")
    assert "Grafana's default" in judged(smoke.logins)["saw"]


def test_a_wrong_password_is_tried_once(smoke, services, judged):
    grafana = Grafana(services, password="another")
    smoke.note.set_result(TRACE)
    for question in (smoke.logins, smoke.sources, smoke.through_grafana):
        assert judged(question)["state"] == "failed"
    assert grafana.wrong == 1


def test_a_data_source_is_as_healthy_as_grafana_says(smoke, services, judged):
    grafana = Grafana(services)
    smoke.entered.set_result(None)
    assert judged(smoke.sources)["saw"] == "loki, prometheus, tempo"
    grafana.health["tempo"] = 400, {"status": "ERROR", "message": "rpc error: code = Unavailable"}
    threading.Timer(0.3, grafana.health.update, [{"tempo": (200, {"message": "it works now"})}]).start()
    assert judged(smoke.sources)["state"] == "ok"
    grafana.health["tempo"] = 400, {"status": "ERROR", "message": "rpc error: code = Unavailable"}
    assert judged(smoke.sources)["saw"] == "tempo answers 400: rpc error: code = Unavailable"


def test_who_stands_in_is_asked_with_a_method_that_all_services_have(smoke, services):
    smoke.heard.standins = set()
    smoke.behind("arangodb", "tempo", "loki")
    assert {method for method, _, _ in services.asked} == {"GET"}


def test_an_exemplar_is_that_of_this_run_and_leads_to_its_trace(smoke, services, judged):
    smoke.note.set_result(TRACE)
    exemplars = []
    services.answers["/api/v1/query_exemplars"] = lambda _, query: (200, {"data": [{"exemplars": exemplars}] if smoke.OWN in query["query"][0] else []})
    services.answers["/api/v2/traces/ab" + "1" * 28] = services.answers["/api/v2/traces/" + "c" * 32] = 200, {"trace": {"resourceSpans": SPANS}}
    assert judged(smoke.exemplar)["saw"].endswith("has no exemplar")
    exemplars.append({"labels": {"traceID": "c" * 32}, "timestamp": 1})
    assert "names the trace cccc" in judged(smoke.exemplar)["saw"]
    exemplars.append({"labels": {"traceID": TRACE.lstrip("0")}, "timestamp": 2})
    line = judged(smoke.exemplar)
    assert line["state"] == "ok" and line["standins"] == ["tempo"], line


def test_the_service_graph_needs_its_own_edge(smoke, services, judged):
    smoke.note.set_result(TRACE)
    smoke.before["edge"] = 3.0
    value = ["3"]
    services.answers["/api/v1/query"] = lambda _, query: (200, {"data": {"result": [{"value": [0, value[0]]}] if "service_graph" in query["query"][0] else []}})
    assert judged(smoke.service_graph)["state"] == "failed"
    assert judged(smoke.span_metrics)["state"] == "failed"
    value[0] = "4"
    assert judged(smoke.service_graph)["state"] == "ok"


def test_telemetry_has_its_time_from_the_task_on(smoke, judged):
    times = iter([None, None, "here"])

    def arrives():
        smoke.noted()
        return smoke.until(lambda: next(times) or smoke_fails(smoke))

    smoke.WAITS["task"] = 5
    threading.Timer(WAITS["arrival"] + 0.5, smoke.note.set_result, [TRACE]).start()
    assert judged(arrives)["state"] == "ok"


def smoke_fails(smoke):
    raise smoke.Failed("not yet")


def test_a_task_that_does_not_return_and_a_check_that_hangs_are_named(smoke, judged):
    assert judged(smoke.noted)["saw"] == "the task has not returned after 1 s"
    hanging = threading.Thread(target=time.sleep, args=(5,), name="a question", daemon=True)
    hanging.start()
    assert judged(lambda: smoke.ended([hanging]))["saw"] == "after 2 s these have not: a question"


def test_an_answer_that_is_no_json_or_holds_no_trace_is_asked_for_again(smoke, services, judged):
    services.answers["/api/v2/traces/x"] = 200, "<html>"
    line = judged(lambda: smoke.get(f"{services.url}/api/v2/traces/x"))
    assert line["saw"].endswith("answers 200: <html>"), line
    assert list(smoke.spans({"trace": None})) == []


