"""What the app finds in its cluster, on loopback: real workers, Redis, Consul and collector, and a stand-in for ArangoDB."""

import contextlib
import importlib
import json
import os
import random
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


def program(variable, what):
    path = os.environ.get(variable)
    assert path, f"set {variable} to {what}"
    return path


def free_ports(number):
    ports = set()
    while len(ports) < number:
        with socket.socket() as probe, contextlib.suppress(OSError):
            port = random.randrange(15000, 32000)  # below the range of client ports
            probe.bind(("127.0.0.1", port))
            ports.add(port)
    return ports


def eventually(condition, seconds=15):
    """Waits for a truthy value and returns it."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
    return value


def otlp_handler(folder):
    """Accepts OTLP over HTTP and appends each request's JSON to `traces.json`, `logs.json` or `metrics.json`."""

    class Handler(BaseHTTPRequestHandler):
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

    return Handler


class Platform:
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

    def start_all(self):
        self.start("redis", "redis-server", "--port", str(self.redis), "--bind", "127.0.0.1", "--requirepass", REDIS, "--save", "")
        self.start_arango()
        acl = f'acl {{ enabled = true, default_policy = "deny", tokens {{ initial_management = "{TOKEN}" }} }}'
        dns, serf, server = self.more
        ports = f"ports {{ http = {self.consul}, dns = {dns}, serf_lan = {serf}, server = {server}, serf_wan = -1, grpc = -1, grpc_tls = -1 }}"
        self.start("consul", program("CONSUL", "Consul's program"), "agent", "-dev", "-bind=127.0.0.1", "-log-level=warn", f"-hcl={acl}", f"-hcl={ports}")
        self.start("collector", program("OTELCOL", "the collector's program"), "--config", self.collector())
        for port in (self.redis, self.arango, self.consul, self.otlp):
            eventually(lambda port=port: self.accepts(port))
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
        """Creates the database and the app's user, as the platform's Job does."""
        secrets = self.folder / "secrets"
        secrets.mkdir()
        for name in ("root-password", "password", "metrics-password"):
            (secrets / name).write_text(ARANGO)
        env = {**os.environ, **self.env, "CREDENTIALS": str(secrets)}
        subprocess.run([sys.executable, "-B", str(CHARTS / "arangodb/bootstrap.py")], env=env, check=True, capture_output=True, timeout=30)

    def collector(self):
        """Starts a server that stores telemetry, and returns the configuration of a collector that exports to it."""
        self.store = ThreadingHTTPServer(("127.0.0.1", 0), otlp_handler(self.folder))
        threading.Thread(target=self.store.serve_forever, daemon=True).start()
        exporter = {"endpoint": f"http://127.0.0.1:{self.store.server_port}", "encoding": "json", "compression": "none"}
        config = {
            "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": f"127.0.0.1:{self.otlp}"}}}},
            "exporters": {"otlp_http": exporter},
            "service": {
                "telemetry": {"metrics": {"level": "none"}},
                "pipelines": {kind: {"receivers": ["otlp"], "exporters": ["otlp_http"]} for kind in ("traces", "logs", "metrics")},
            },
        }
        (self.folder / "collector.yaml").write_text(json.dumps(config))
        return str(self.folder / "collector.yaml")

    @staticmethod
    def accepts(port):
        with contextlib.suppress(OSError):
            return socket.create_connection(("127.0.0.1", port), 1).close() is None

    def celery(self, name, *arguments, under=(), otlp=None, app="main.celery", **env):
        """Starts Celery with the platform's variables. It exports telemetry to the port `otlp`, if given."""
        telemetry = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{otlp}", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"} if otlp else {}
        return self.start(name, *under, sys.executable, "-m", "celery", "-A", app, *arguments, **{**self.env, "POD_NAME": name, **telemetry, **env})

    def worker(self, name, queues=None, concurrency=1, **more):
        """Starts a worker. By default it has its own queue."""
        worker = self.celery(name, "worker", "--loglevel=info", "--include=platform_probes", "--task-events", "--without-gossip", "--without-mingle",
                             f"--queues={queues or name}", f"--concurrency={concurrency}", f"--hostname={name}@%h", **more)
        eventually(lambda: " ready." in self.log(name))
        return worker

    def log(self, name):
        return (self.folder / f"{name}.log").read_text()

    def telemetry(self, kind):
        """The spans, log records or metrics that the collector exported, each with the attributes of its resource."""
        path = self.folder / f"{kind}.json"
        for line in path.read_text().splitlines() if path.exists() else ():
            with contextlib.suppress(json.JSONDecodeError):  # a line that is still being written
                for resource in next(iter(json.loads(line).values())):
                    attributes = {each["key"]: next(iter(each["value"].values())) for each in resource["resource"]["attributes"]}
                    scopes = next(value for key, value in resource.items() if key.startswith("scope"))
                    for item in (item for scope in scopes for items in scope.values() if isinstance(items, list) for item in items):
                        yield attributes, item

    def spans(self, trace):
        return [span for _, span in self.telemetry("traces") if span["traceId"] == trace]

    def written(self):
        """The number of notes that each process has counted, by its index in the pool. A restarted process counts from zero."""
        latest, total = {}, Counter()
        for attributes, metric in self.telemetry("metrics"):
            if metric["name"] == "notes.written":
                point = metric["sum"]["dataPoints"][-1]
                latest[attributes["service.instance.id"], point["startTimeUnixNano"]] = int(point["asInt"])
        for (process, _), count in latest.items():
            total[process] += count
        return total

    def close(self):
        if self.store:
            self.store.shutdown()
        for each in reversed(self.programs):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(each.pid, signal.SIGKILL)
            each.wait()


@pytest.fixture(scope="session")
def platform(tmp_path_factory):
    platform = Platform(tmp_path_factory.mktemp("platform"))
    try:
        platform.start_all()
        often = {name: "300" for name in ("OTEL_METRIC_EXPORT_INTERVAL", "OTEL_BSP_SCHEDULE_DELAY", "OTEL_BLRP_SCHEDULE_DELAY")}
        platform.worker("default", "celery,slow", 2, otlp=platform.otlp, **often)
        yield platform
    finally:
        platform.close()


@pytest.fixture(scope="session")
def main(platform):
    """The app, as a client that sends tasks imports it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in platform.env.items():
            patch.setenv(name, value)
        yield importlib.import_module("main")


def result_of(task, *arguments, **options):
    return task.apply_async(arguments, **options).get(20)
