import json
import threading
import time

import pytest

from .check import Failed, Report, Skipped


def test_a_line_has_the_state_and_a_command_but_no_secret(run_check, settings):
    def fail(error):
        raise error

    line = run_check(lambda check: "3 spans")
    assert (line["state"], line["detail"], line["standins"]) == ("ok", "3 spans", []) and "command" not in line
    line = run_check(lambda check: fail(Failed(f"login {settings.arango_password} was refused")))
    assert (line["state"], line["detail"]) == ("failed", "login … was refused")
    assert line["command"] == "kubectl --namespace platform-dev get pods"
    assert run_check(lambda check: fail(Skipped("no such task")))["state"] == "skipped"
    assert run_check(lambda check: fail(KeyError("x")))["detail"] == "KeyError: 'x'"


def test_the_last_line_has_the_totals(settings, capsys):
    report = Report(settings)
    for question in (lambda check: "", lambda check: "", lambda check: 1 / 0):
        report.run("name", question, "get pods")
    report.finish()
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {"totals": {"ok": 2, "failed": 1, "skipped": 0}}


def test_a_question_is_repeated_until_the_deadline(run_check):
    answers = iter([None, None, "here"])

    def question():
        answer = next(answers)
        if not answer:
            raise Failed("not yet")
        return answer

    assert run_check(lambda check: check.until(question), seconds=5)["detail"] == "here"
    start = time.monotonic()

    def never():
        raise Failed("not yet")

    assert run_check(lambda check: check.until(never), seconds=1)["detail"] == "not yet"
    assert time.monotonic() - start < 3


def test_telemetry_has_its_time_from_the_task_on(run_check, note):
    note.written = type(note.written)()
    times = iter([None, None, "here"])

    def question():
        answer = next(times)
        if not answer:
            raise Failed("not yet")
        return answer

    def arrives(check):
        check.timeouts.task = 5
        note.trace_id(check)
        return check.until(question)

    threading.Timer(1.5, note.written.set_result, ["trace"]).start()
    assert run_check(arrives, seconds=1)["state"] == "ok"


def test_unusable_responses_are_described(run_check, servers):
    servers.responses["/page"] = 200, "<html>"
    assert run_check(lambda check: check.get(f"{servers.url}/page"))["detail"].endswith("/page returned 200: <html>")
    assert "got no response" in run_check(lambda check: check.get("http://127.0.0.1:1/"))["detail"]


@pytest.mark.parametrize(("status", "state"), [(401, "ok"), (403, "ok"), (200, "failed"), (500, "failed")])
def test_only_401_and_403_are_refusals(run_check, servers, status, state):
    servers.responses["/x"] = status, ""
    assert run_check(lambda check: check.expect_refusal("PUT", f"{servers.url}/x"))["state"] == state


def test_standins_are_recorded_with_a_method_that_all_servers_accept(run_check, servers):
    line = run_check(lambda check: check.record_standins(f"{servers.url}/ready", "http://127.0.0.1:1/"))
    assert (line["state"], line["standins"]) == ("ok", ["tempo"])
    assert {request.command for request in servers.requests} == {"GET"}
