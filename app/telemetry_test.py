"""The telemetry of the app."""

import os
import re
import socket
import subprocess
import sys
import time

import pytest
from conftest import BIN, HERE, eventually, result_of

SPANS = re.compile(r"(apply_async|run)/main\.\w+|write note|DEL|GET|SET|INCRBY EXPIRE|POST|PUT")


def test_a_trace_goes_from_the_sender_to_the_database_and_its_logs(platform):
    send = "import main; print(main.note.delay('traced').get(20)['trace'])"
    env = {**os.environ, **platform.env, "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{platform.otlp}", "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "redis"}
    trace = subprocess.run([BIN / "opentelemetry-instrument", sys.executable, "-c", send], cwd=HERE, env=env, check=True, capture_output=True, text=True,
                           timeout=30).stdout.strip()
    spans = eventually(lambda: {span["name"]: span for span in platform.spans(trace) if len(platform.spans(trace)) >= 5})
    parent = {name: next((each["name"] for each in spans.values() if each["spanId"] == span.get("parentSpanId")), None) for name, span in spans.items()}
    assert parent["apply_async/main.note"] is None
    assert parent["run/main.note"] == "apply_async/main.note"
    assert parent["write note"] == "run/main.note"
    assert parent["POST"] == parent["DEL"] == "write note"
    assert (spans["apply_async/main.note"]["kind"], spans["run/main.note"]["kind"]) == (4, 5)  # producer, consumer
    written = eventually(lambda: [record["body"]["stringValue"] for _, record in platform.telemetry("logs") if record.get("traceId") == trace])
    assert any(re.fullmatch(r"note [\w-]+ is written", body) for body in written)
    assert re.search(rf"note [\w-]+ is written trace_id={trace}$", platform.log("default"), re.MULTILINE)


def test_an_error_is_in_the_trace(platform, main):
    sent = main.fail.delay()
    with pytest.raises(RuntimeError):
        sent.get(20)
    failed = eventually(lambda: [span for _, span in platform.telemetry("traces") if span["name"] == "run/main.fail"
                                 and any(each["value"].get("stringValue") == sent.id for each in span["attributes"])])
    assert len(failed) == 1
    assert failed[0]["status"] == {"message": "this task always fails", "code": 2}


def test_each_process_counts_its_own_notes(platform, main):
    counted = lambda: sum(platform.written().values())

    def settled():
        """Whether earlier counts have arrived."""
        count = counted()
        time.sleep(1)
        return counted() == count

    eventually(settled)
    before = counted()
    for sent in [main.note.delay(f"{number}") for number in range(8)]:
        sent.get(20)
    eventually(lambda: counted() == before + 8)
    assert {"default-0", "default-1"} <= set(platform.written())


def test_each_tick_has_its_own_trace(platform, main):
    (platform.folder / "fast.py").write_text("from main import celery\ncelery.conf.beat_schedule['tick']['schedule'] = 1.0\n")
    path = f"{platform.env['PYTHONPATH']}:{HERE}:{platform.folder}"
    beat = platform.celery("beat", "beat", "--loglevel=info", "--scheduler=platform_probes:Scheduler", f"--schedule={platform.folder}/schedule",
                           app="fast.celery", otlp=platform.otlp, PYTHONPATH=path)
    eventually(lambda: int(main.cache().get("ticks") or 0) >= 2)
    assert 0 < main.cache().ttl("ticks") <= 3600
    beat.terminate()
    assert beat.wait(10) == 0
    names = lambda trace: {span["name"]: span for span in platform.spans(trace)}
    sent = [span["traceId"] for _, span in platform.telemetry("traces") if span["name"] == "apply_async/main.tick"]
    tick = eventually(lambda: {"run/main.tick", "INCRBY EXPIRE"} <= names(sent[0]).keys() and names(sent[0]))
    assert tick["run/main.tick"]["parentSpanId"] == tick["apply_async/main.tick"]["spanId"]


def test_queued_telemetry_is_sent_when_a_worker_ends(platform, main):
    rarely = {name: "60000" for name in ("OTEL_METRIC_EXPORT_INTERVAL", "OTEL_BSP_SCHEDULE_DELAY", "OTEL_BLRP_SCHEDULE_DELAY")}
    worker = platform.worker("last", otlp=platform.otlp, **rarely)
    trace = result_of(main.note, "last", queue="last")["trace"]
    assert not platform.spans(trace)
    worker.terminate()
    assert worker.wait(10) == 0
    assert {span["name"] for span in eventually(lambda: platform.spans(trace))} == {"run/main.note", "write note", "POST", "DEL"}
    eventually(lambda: any(record.get("traceId") == trace for _, record in platform.telemetry("logs")))
    assert eventually(lambda: platform.written().get("last-0")) == 1


@pytest.mark.parametrize("collector", ["down", "silent"])
def test_a_collector_that_does_not_respond_delays_nothing(platform, main, collector):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if collector == "silent":
            listener.listen()
        worker = platform.worker(collector, otlp=listener.getsockname()[1])
        start = time.monotonic()
        assert result_of(main.note, "anyway", queue=collector)["trace"]
        assert time.monotonic() - start < 2
        worker.terminate()
        assert worker.wait(10) == 0


def test_without_an_endpoint_there_is_no_telemetry(platform, main):
    platform.worker("silence")
    assert result_of(main.note, "silence", queue="silence")["trace"] is None
    assert "is written" in platform.log("silence")
    assert "trace_id=" not in platform.log("silence")


def test_a_worker_under_opentelemetry_instrument_is_not_instrumented_twice(platform, main):
    worker = platform.worker("outside", under=(BIN / "opentelemetry-instrument",), otlp=platform.otlp, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="",
                             OTEL_RESOURCE_ATTRIBUTES="service.instance.id=outside")
    trace = result_of(main.note, "outside", queue="outside")["trace"]
    worker.terminate()
    assert worker.wait(10) == 0
    names = [span["name"] for span in eventually(lambda: platform.spans(trace))]
    assert (names.count("run/main.note"), names.count("DEL")) == (1, 1)
    assert "Overriding" not in platform.log("outside")


def test_only_tasks_and_their_requests_have_spans(platform, main):
    """Checks all spans so far, except those of the worker under opentelemetry-instrument."""
    trace = result_of(main.note, "span")["trace"]
    # The task's span ends last, and may arrive with the next batch.
    eventually(lambda: "run/main.note" in {span["name"] for span in platform.spans(trace)})
    processes = re.compile(r"(default|last)-\d|whole")
    names = {span["name"] for attributes, span in platform.telemetry("traces") if processes.fullmatch(attributes["service.instance.id"])}
    assert "run/main.note" in names
    assert not [name for name in names if not SPANS.fullmatch(name)]
