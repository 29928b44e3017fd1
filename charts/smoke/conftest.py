"""Servers and settings for the tests of the package."""

import base64
import json
import os
import socket
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from .check import Report
from .settings import Settings
from .tasks import Note

TIMEOUTS = {
    "names": 1, "task": 1, "telemetry": 2, "request": 1, "datasource": 2, "broker": 2,
    "inspect": 0.3, "result": 1, "event": 1, "beat": 1, "stop": 1,
}
STANDINS = {"/ready": "tempo", "/loki/ready": "loki", "/_admin/server/availability": "arangodb"}
TRACE = "00ab" + "1" * 28


class Servers:
    """All HTTP servers of the platform at one address. Responses go by path; a function gets the request."""

    def __init__(self):
        self.responses, self.requests = {}, []
        servers = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def respond(self):
                url = urlsplit(self.path)
                self.query, self.url = parse_qs(url.query), url.path
                self.login = base64.b64decode(self.headers.get("Authorization", "").removeprefix("Basic ")).decode()
                self.token = self.headers.get("X-Consul-Token")
                self.body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                servers.requests.append(self)
                response = servers.responses.get(url.path, (404, "not found"))
                status, body = response(self) if callable(response) else response
                self.send_response(405 if self.command == "HEAD" else status)
                if url.path in STANDINS:
                    self.send_header("X-Standin", f"{STANDINS[url.path]}-standin")
                self.end_headers()
                self.wfile.write((body if isinstance(body, str) else json.dumps(body)).encode())

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = respond

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=[0.05], daemon=True).start()


@pytest.fixture
def servers():
    servers = Servers()
    yield servers
    servers.server.shutdown()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def env(servers, tmp_path):
    """The Job's environment; Redis is at a port where nothing listens."""
    values = {
        "OTEL_SERVICE_NAME": "platform-smoke", "APP_NAME": "celery-app", "NAMESPACE": "platform-dev", "QUEUES": '{"celery": "default"}',
        "ARANGO_DATABASE": "db", "ARANGO_USERNAME": "user", "SERVICES": "localhost", "CONSUL_DNS": "127.0.0.1:1", "TIMEOUTS": json.dumps(TIMEOUTS),
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
    }
    values |= {f"{name}_URL": servers.url for name in ("ARANGO", "TEMPO", "PROMETHEUS", "LOKI", "GRAFANA", "CONSUL")}
    values["LOKI_URL"] += "/loki"
    values |= {f"{name}_URL": f"redis://127.0.0.1:1/{index}" for index, name in enumerate(("BROKER", "RESULTS", "CACHE"))}
    for name in ("BROKER_PASSWORD", "CACHE_PASSWORD", "ARANGO_PASSWORD", "GRAFANA_PASSWORD", "CONSUL_TOKEN"):
        (tmp_path / name).write_text(f"{name}-Pa55\n")
        values[f"{name}_FILE"] = str(tmp_path / name)
    return values


@pytest.fixture
def settings(env):
    return Settings(env)


@pytest.fixture
def redis(env, tmp_path):
    """A Redis with the broker's password, for all three uses."""
    port = free_port()
    (tmp_path / "CACHE_PASSWORD").write_text((tmp_path / "BROKER_PASSWORD").read_text())
    env |= {f"{name}_URL": f"redis://127.0.0.1:{port}/{index}" for index, name in enumerate(("BROKER", "RESULTS", "CACHE"))}
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--requirepass", "BROKER_PASSWORD-Pa55"]
    server = subprocess.Popen(command, cwd=tmp_path, env=os.environ, stdout=subprocess.DEVNULL)
    end = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            assert time.monotonic() < end, "Redis did not start"
            time.sleep(0.05)
    yield server
    server.kill()
    server.wait()


@pytest.fixture
def note(settings):
    """The note of a task that has run."""
    note = Note(settings)
    note.written.set_result(TRACE)
    return note


@pytest.fixture
def run_check(settings, capsys):
    """Runs a check and returns its line of the report."""

    def run(question, seconds=None):
        Report(settings).run("name", question, "get pods", seconds)
        return json.loads(capsys.readouterr().out.splitlines()[-1])

    return run
