import pytest

from . import tracing
from .conftest import TRACE
from .telemetry import Telemetry, spans_of

WORKER = {"name": "run/main.note", "resource": {"service.name": "celery-app"}}
PRODUCER = {"name": "apply_async/main.note", "resource": {"service.name": "platform-smoke"}}


@pytest.fixture
def telemetry(settings, note):
    return Telemetry(settings, note)


def test_the_reference_app_has_opentelemetry():
    assert tracing.AVAILABLE


def test_spans_are_read_nested_and_flat():
    attributes = [{"key": "service.name", "value": {"stringValue": "app"}}]
    nested = {"resource": {"attributes": attributes}, "scopeSpans": [{"spans": [{"name": "a"}, {"name": "b"}]}]}
    assert list(spans_of({"trace": {"resourceSpans": [nested, WORKER]}})) == [("app", "a"), ("app", "b"), ("celery-app", "run/main.note")]
    assert list(spans_of({"trace": None})) == []


def test_the_trace_needs_the_spans_of_both_sides(telemetry, settings, servers, run_check):
    find = lambda check: telemetry.find_trace(check, settings.tempo_url)
    servers.responses[f"/api/v2/traces/{TRACE}"] = 200, {"trace": {"resourceSpans": [WORKER]}}
    assert run_check(find)["detail"] == f"trace {TRACE} lacks the span of the producer (platform-smoke apply_async/main.note)"
    servers.responses[f"/api/v2/traces/{TRACE}"] = 200, {"trace": {"resourceSpans": [WORKER, PRODUCER]}}
    assert run_check(find)["detail"] == "2 spans"


def test_an_app_without_opentelemetry_has_no_span_of_the_sender(settings, note, servers, run_check):
    telemetry = Telemetry(settings, note, traced=False)
    servers.responses[f"/api/v2/traces/{TRACE}"] = 200, {"trace": {"resourceSpans": [WORKER]}}
    assert run_check(lambda check: telemetry.find_trace(check, settings.tempo_url))["state"] == "skipped"
    assert run_check(telemetry.has_edge)["state"] == "skipped"
    telemetry.before[telemetry.worker_calls] = 3.0
    servers.responses["/api/v1/query"] = 200, {"data": {"result": [{"value": [0, "3"]}]}}
    assert run_check(telemetry.has_span_metrics)["detail"].endswith("is still 3")
    servers.responses["/api/v1/query"] = 200, {"data": {"result": [{"value": [0, "4"]}]}}
    line = run_check(telemetry.has_span_metrics)
    assert (line["state"], line["standins"]) == ("ok", ["tempo"])


def test_an_exemplar_is_of_this_run_and_leads_to_its_trace(telemetry, servers, run_check):
    exemplars = []
    servers.responses["/api/v1/query_exemplars"] = lambda request: (
        200, {"data": [{"exemplars": exemplars}] if telemetry.root_span in request.query["query"][0] else []})
    for trace_id in (TRACE.lstrip("0"), "c" * 32):
        servers.responses[f"/api/v2/traces/{trace_id}"] = 200, {"trace": {"resourceSpans": [WORKER]}}
    assert run_check(telemetry.has_exemplar)["detail"].endswith("has no exemplar")
    exemplars.append({"labels": {"traceID": "c" * 32}, "timestamp": 1})
    assert "leads to trace cccc" in run_check(telemetry.has_exemplar)["detail"]
    exemplars.append({"labels": {"traceID": TRACE.lstrip("0")}, "timestamp": 2})
    line = run_check(telemetry.has_exemplar)
    assert line["state"] == "ok" and line["standins"] == ["tempo"], line
    servers.responses[f"/api/v2/traces/{TRACE.lstrip('0')}"] = 200, {"trace": None}
    assert run_check(telemetry.has_exemplar)["detail"].endswith("of an exemplar is empty")


def test_the_service_graph_needs_a_new_call(telemetry, servers, run_check):
    telemetry.before[telemetry.edge] = 3.0
    value = ["3"]
    servers.responses["/api/v1/query"] = lambda request: (
        200, {"data": {"result": [{"value": [0, value[0]]}] if "service_graph" in request.query["query"][0] else []}})
    assert run_check(telemetry.has_edge)["detail"].endswith("is still 3")
    assert run_check(telemetry.has_span_metrics)["detail"].endswith("has no value")
    value[0] = "4"
    line = run_check(telemetry.has_edge)
    assert (line["state"], line["standins"]) == ("ok", ["tempo"])


def test_the_log_line_mentions_the_note(telemetry, servers, run_check):
    lines = ["note another is written"]
    servers.responses["/loki/loki/api/v1/query_range"] = lambda _: (200, {"data": {"result": [{"values": [["0", line] for line in lines]}]}})
    assert run_check(telemetry.has_log_line)["detail"].startswith(f"1 log lines of celery-app have the trace ID {TRACE}, and none")
    lines.append("note platform-smoke is written")
    assert run_check(telemetry.has_log_line)["state"] == "ok"


def test_targets_that_are_down_are_named_with_their_stand_ins(telemetry, servers, run_check):
    target = lambda job, health: {"health": health, "labels": {"job": job}, "lastError": ""}
    servers.responses["/api/v1/query"] = 200, {"data": {"result": [{"metric": {"job": "loki"}}]}}
    servers.responses["/api/v1/targets"] = 200, {"data": {"activeTargets": []}}
    assert run_check(telemetry.targets_are_up)["detail"] == "Prometheus has no target"
    servers.responses["/api/v1/targets"] = 200, {"data": {"activeTargets": [target("redis", "up"), target("loki", "unknown")]}}
    assert run_check(telemetry.targets_are_up)["detail"] == "loki is unknown (not scraped yet)"
    servers.responses["/api/v1/targets"] = 200, {"data": {"activeTargets": [target("redis", "up")]}}
    line = run_check(telemetry.targets_are_up)
    assert (line["detail"], line["standins"]) == ("1 targets", ["loki"])
