"""The app in real workers, started as the chart starts them: real Redis, Consul and collector, and a stand-in for ArangoDB."""

import contextlib
import importlib
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CHARTS = HERE.parent / "charts"
BIN = Path(sys.executable).parent
REDIS, ARANGO, TOKEN = "redis-Pa55", "arango-Pa55", "9b7a1c52-6a5e-4a53-9d0c-1f0a9a3d7c11"
# Whatever else shows up in a trace is noise.
SPANS = re.compile(r"(apply_async|run)/main\.\w+|write note|DEL|GET|SET|INCRBY EXPIRE|POST|PUT")


def program(variable, what):
    path = os.environ.get(variable)
    assert path, f"set {variable} to {what}"
    return path


def free_ports(number):
    ports = set()
    while len(ports) < number:
        with socket.socket() as probe, contextlib.suppress(OSError):
            port = random.randrange(15000, 32000)  # below those that the system gives to clients in the meantime
            probe.bind(("127.0.0.1", port))
            ports.add(port)
    return ports


def eventually(question, seconds=15):
    end = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)
    return answer


def keeper(folder):
    """Answers as a store of OTLP by HTTP, and keeps each request's JSON as a line of `traces.json`, `logs.json` or `metrics.json`."""

    class Keeper(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with (folder / f"{self.path.rpartition('/')[2]}.json").open("ab") as file:
                file.write(body + b"\n")
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_):
            pass

    return Keeper


class Platform:
    """What the app finds in its cluster, on loopback."""

    def __init__(self, folder):
        self.folder, self.programs, self.store = folder, [], None
        self.redis, self.arango, self.consul, self.otlp, *self.more = free_ports(7)
        redis = f"redis://:{REDIS}@127.0.0.1:{self.redis}"
        self.env = {
            "ARANGO_URL": f"http://127.0.0.1:{self.arango}", "ARANGO_DATABASE": "symphainy_platform", "ARANGO_USERNAME": "platform_user",
            "ARANGO_PASSWORD": ARANGO, "REDIS_URL": f"{redis}/2", "CELERY_BROKER_URL": f"{redis}/0", "CELERY_RESULT_BACKEND": f"{redis}/1",
            "CONSUL_HTTP_ADDR": f"http://127.0.0.1:{self.consul}", "CONSUL_HTTP_TOKEN": TOKEN,
            "OTEL_SERVICE_NAME": "app", "OTEL_RESOURCE_ATTRIBUTES": "service.name=app,service.instance.id=whole",
            "PYTHONPATH": str(CHARTS / "celery"), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1", "PLATFORM_PROBES": str(folder),
        }

    def begin(self):
        self.start("redis", "redis-server", "--port", str(self.redis), "--bind", "127.0.0.1", "--requirepass", REDIS, "--save", "")
        self.start_arango()
        acl = f'acl {{ enabled = true, default_policy = "deny", tokens {{ initial_management = "{TOKEN}" }} }}'
        dns, serf, server = self.more
        ports = f"ports {{ http = {self.consul}, dns = {dns}, serf_lan = {serf}, server = {server}, serf_wan = -1, grpc = -1, grpc_tls = -1 }}"
        self.start("consul", program("CONSUL", "Consul's program"), "agent", "-dev", "-bind=127.0.0.1", "-log-level=warn", f"-hcl={acl}", f"-hcl={ports}")
        self.start("collector", program("OTELCOL", "the collector's program"), "--config", self.collector())
        for port in (self.redis, self.arango, self.consul, self.otlp):
            eventually(lambda port=port: self.answers(port))
        self.bootstrap()

    def start(self, name, *command, **env):
        log = (self.folder / f"{name}.log").open("a")
        started = subprocess.Popen(command, cwd=HERE, env={**os.environ, **env}, stdout=log, stderr=log, start_new_session=True)
        self.programs.append(started)
        return started

    def start_arango(self):
        standin = program("ARANGODB_STANDIN", "the program that stands in for ArangoDB")
        self.database = self.start("arango", sys.executable, standin, STANDIN_DATA=str(self.folder), STANDIN_PORT=str(self.arango),
                                   STANDIN_HOST="127.0.0.1", ARANGO_ROOT_PASSWORD=ARANGO)

    def bootstrap(self):
        """The database and the app's user, as the platform's Job makes them."""
        secrets = self.folder / "secrets"
        secrets.mkdir()
        for name in ("root-password", "password", "metrics-password"):
            (secrets / name).write_text(ARANGO)
        env = {**os.environ, **self.env, "CREDENTIALS": str(secrets)}
        subprocess.run([sys.executable, "-B", str(CHARTS / "arangodb/bootstrap.py")], env=env, check=True, capture_output=True, timeout=30)

    def collector(self):
        """Hands what it is sent to a server here, which appends it to a file for each signal."""
        self.store = ThreadingHTTPServer(("127.0.0.1", 0), keeper(self.folder))
        threading.Thread(target=self.store.serve_forever, daemon=True).start()
        to_store = {"endpoint": f"http://127.0.0.1:{self.store.server_port}", "encoding": "json", "compression": "none"}
        config = {
            "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": f"127.0.0.1:{self.otlp}"}}}},
            "exporters": {"otlp_http": to_store},
            "service": {
                "telemetry": {"metrics": {"level": "none"}},
                "pipelines": {kind: {"receivers": ["otlp"], "exporters": ["otlp_http"]} for kind in ("traces", "logs", "metrics")},
            },
        }
        (self.folder / "collector.yaml").write_text(json.dumps(config))
        return str(self.folder / "collector.yaml")

    @staticmethod
    def answers(port):
        with contextlib.suppress(OSError):
            return socket.create_connection(("127.0.0.1", port), 1).close() is None

    def celery(self, name, *arguments, under=(), otlp=None, app="main.celery", **env):
        """Celery with the platform's variables; its telemetry goes to the port `otlp`, or nowhere."""
        telemetry = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{otlp}", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"} if otlp else {}
        return self.start(name, *under, sys.executable, "-m", "celery", "-A", app, *arguments, **{**self.env, "POD_NAME": name, **telemetry, **env})

    def worker(self, name, queues=None, concurrency=1, **more):
        """A worker with a queue of its own, unless other queues are asked for."""
        worker = self.celery(name, "worker", "--loglevel=info", "--include=platform_probes", "--task-events", "--without-gossip", "--without-mingle",
                             f"--queues={queues or name}", f"--concurrency={concurrency}", f"--hostname={name}@%h", **more)
        eventually(lambda: " ready." in self.log(name))
        return worker

    def log(self, name):
        return (self.folder / f"{name}.log").read_text()

    def telemetry(self, kind):
        """What the collector got: the resource's attributes with each span, log record or metric."""
        path = self.folder / f"{kind}.json"
        for line in path.read_text().splitlines() if path.exists() else ():
            with contextlib.suppress(json.JSONDecodeError):  # the last one, half written
                for resource in next(iter(json.loads(line).values())):
                    attributes = {each["key"]: next(iter(each["value"].values())) for each in resource["resource"]["attributes"]}
                    scopes = next(value for key, value in resource.items() if key.startswith("scope"))
                    for item in (item for scope in scopes for items in scope.values() if isinstance(items, list) for item in items):
                        yield attributes, item

    def spans(self, trace):
        return [span for _, span in self.telemetry("traces") if span["traceId"] == trace]

    def written(self):
        """How many notes each process has counted, by its place in the pool: one that came anew counts from nothing."""
        total, last = Counter(), Counter()
        for attributes, metric in self.telemetry("metrics"):
            if metric["name"] == "notes.written":
                process, count = attributes["service.instance.id"], int(metric["sum"]["dataPoints"][-1]["asInt"])
                total[process] += count - (last[process] if count >= last[process] else 0)
                last[process] = count
        return total

    def close(self):
        if self.store:
            self.store.shutdown()
        for each in reversed(self.programs):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(each.pid, signal.SIGKILL)
            each.wait()


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    platform = Platform(tmp_path_factory.mktemp("platform"))
    try:
        platform.begin()
        often = {name: "300" for name in ("OTEL_METRIC_EXPORT_INTERVAL", "OTEL_BSP_SCHEDULE_DELAY", "OTEL_BLRP_SCHEDULE_DELAY")}
        platform.worker("default", "celery,slow", 2, otlp=platform.otlp, **often)
        yield platform
    finally:
        platform.close()


@pytest.fixture(scope="module")
def main(platform):
    """The app as whoever sends tasks imports it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in platform.env.items():
            patch.setenv(name, value)
        yield importlib.import_module("main")


def done(task, *arguments, **options):
    return task.apply_async(arguments, **options).get(20)


def test_a_note_is_kept_and_read_through_the_cache(main):
    sent = main.note.delay("hello")
    key = sent.get(20)["key"]
    assert key == sent.id
    assert main.notes().get(key)["text"] == "hello"
    assert done(main.read, key) == {"key": key, "text": "hello", "trace": sent.get()["trace"], "cached": False}
    assert done(main.read, key)["cached"]
    assert 0 < main.cache().ttl(f"note:{key}") <= 60


def test_a_second_run_leaves_what_the_first_one_left(platform, main):
    for _ in range(2):
        main.note.apply_async(["again"], task_id="the-same")
    eventually(lambda: platform.log("default").count("note the-same is written") == 2)
    assert main.notes().get("the-same")["text"] == "again"


def test_a_note_that_is_written_over_is_not_read_from_the_cache(main):
    for text in ("old", "new"):
        done(main.note, text, "over")
        assert done(main.read, "over")["text"] == text


def test_an_unknown_note_is_none(main):
    assert done(main.read, "nobody-wrote-it") is None


def test_two_processes_may_make_the_collection(main):
    assert [main.notes.__wrapped__().name for _ in range(2)] == ["notes", "notes"]


def test_a_database_that_is_away_delays_a_note(platform, main):
    platform.database.kill()
    platform.database.wait()
    sent = main.note.delay("patience")
    eventually(lambda: "Retry in" in platform.log("default"))
    platform.start_arango()
    key = sent.get(30)["key"]
    assert main.notes().get(key)["text"] == "patience"


def test_lookup_finds_the_services_whose_checks_pass(platform, main):
    for number, status in ((1, "passing"), (2, "critical")):
        service = {"ID": f"app-{number}", "Name": "app-shop", "Address": f"10.0.0.{number}", "Port": 80, "Check": {"TTL": "1h", "Status": status}}
        request = urllib.request.Request(f"{platform.env['CONSUL_HTTP_ADDR']}/v1/agent/service/register", json.dumps(service).encode(),
                                         {"X-Consul-Token": TOKEN}, method="PUT")
        urllib.request.urlopen(request, timeout=5).close()
    assert eventually(lambda: done(main.lookup, "app-shop")) == ["10.0.0.1:80"]
    assert done(main.lookup, "no/such service") == []


def test_a_slow_task_waits_in_its_own_queue(main):
    sent = main.slow.delay(2)
    active = eventually(lambda: [task for tasks in (main.celery.control.inspect().active() or {}).values() for task in tasks if task["id"] == sent.id])
    assert active[0]["delivery_info"]["routing_key"] == "slow"
    assert sent.get(20) == 2


def test_fail_fails(main):
    with pytest.raises(RuntimeError, match="as it was asked to"):
        done(main.fail)


def test_a_task_whose_process_is_killed_runs_again(platform, main):
    before = platform.log("default").count("slow starts: 1.5 s")
    sent = main.slow.delay(1.5)
    pid = eventually(lambda: [task["worker_pid"] for tasks in (main.celery.control.inspect(timeout=0.3).active() or {}).values()
                              for task in tasks if task["id"] == sent.id and task["worker_pid"]])[0]
    os.kill(pid, signal.SIGKILL)
    assert sent.get(20) == 1.5
    assert platform.log("default").count("slow starts: 1.5 s") == before + 2


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
    assert failed[0]["status"] == {"message": "failed, as it was asked to", "code": 2}


def test_each_process_counts_its_own_notes(platform, main):
    time.sleep(1)  # what was counted before has arrived
    before = sum(platform.written().values())
    for sent in [main.note.delay(f"{number}") for number in range(8)]:
        sent.get(20)
    eventually(lambda: sum(platform.written().values()) == before + 8)
    assert {"default-0", "default-1"} <= set(platform.written())


def test_the_scheduler_ticks_in_traces_of_its_own(platform, main):
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


def test_what_is_left_is_sent_at_the_end(platform, main):
    rarely = {name: "60000" for name in ("OTEL_METRIC_EXPORT_INTERVAL", "OTEL_BSP_SCHEDULE_DELAY", "OTEL_BLRP_SCHEDULE_DELAY")}
    worker = platform.worker("last", otlp=platform.otlp, **rarely)
    trace = done(main.note, "last", queue="last")["trace"]
    assert not platform.spans(trace)
    worker.terminate()
    assert worker.wait(10) == 0
    assert {span["name"] for span in eventually(lambda: platform.spans(trace))} == {"run/main.note", "write note", "POST", "DEL"}
    eventually(lambda: any(record.get("traceId") == trace for _, record in platform.telemetry("logs")))
    assert eventually(lambda: platform.written().get("last-0")) == 1


@pytest.mark.parametrize("collector", ["away", "silent"])
def test_a_collector_that_does_not_answer_holds_nothing_up(platform, main, collector):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if collector == "silent":
            listener.listen()
        worker = platform.worker(collector, otlp=listener.getsockname()[1])
        start = time.monotonic()
        assert done(main.note, "anyway", queue=collector)["trace"]
        assert time.monotonic() - start < 2
        worker.terminate()
        assert worker.wait(10) == 0


def test_without_an_endpoint_there_is_no_telemetry(platform, main):
    platform.worker("silence")
    assert done(main.note, "silence", queue="silence")["trace"] is None
    assert "is written" in platform.log("silence")
    assert "trace_id=" not in platform.log("silence")


def test_a_worker_that_is_instrumented_from_outside_is_not_instrumented_twice(platform, main):
    worker = platform.worker("outside", under=(BIN / "opentelemetry-instrument",), otlp=platform.otlp, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="",
                             OTEL_RESOURCE_ATTRIBUTES="service.instance.id=outside")
    trace = done(main.note, "outside", queue="outside")["trace"]
    worker.terminate()
    assert worker.wait(10) == 0
    names = [span["name"] for span in eventually(lambda: platform.spans(trace))]
    assert (names.count("run/main.note"), names.count("DEL")) == (1, 1)
    assert "Overriding" not in platform.log("outside")


def test_only_tasks_and_what_they_do_make_spans(platform, main):
    """Looks at all that was sent so far, but for the worker that was instrumented from outside."""
    trace = done(main.note, "span")["trace"]
    # The span of the task ends after those of what it did, and may come with the next batch.
    eventually(lambda: "run/main.note" in {span["name"] for span in platform.spans(trace)})
    processes = re.compile(r"(default|last)-\d|whole")
    names = {span["name"] for attributes, span in platform.telemetry("traces") if processes.fullmatch(attributes["service.instance.id"])}
    assert "run/main.note" in names
    assert not [name for name in names if not SPANS.fullmatch(name)]
