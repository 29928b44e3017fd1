"""What conformance does not ask of bootstrap.py. Runs it against ARANGODB_STANDIN: this proves the requests, not ArangoDB's answers."""

import base64
import json
import os
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest

BOOTSTRAP = Path(__file__).with_name("bootstrap.py")
SECRETS = {"root-password": "root-Pa55", "password": "app-Pa55", "metrics-password": "metrics-Pa55"}
APP_DATA, METRICS = "/_db/shop/_api/collection", "/_db/metrics/_admin/metrics/v2"


class Server:
    def __init__(self, folder):
        self.folder, self.secrets = folder, folder / "secrets"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.secrets.mkdir()
        self.write(SECRETS)

    def write(self, secrets):
        for key, value in secrets.items():
            (self.secrets / key).write_text(value)

    def start(self):
        standin = os.environ.get("ARANGODB_STANDIN")
        assert standin, "set ARANGODB_STANDIN to the program that stands in for ArangoDB"
        root = (self.secrets / "root-password").read_text()
        env = {"STANDIN_DATA": str(self.folder), "STANDIN_PORT": str(self.port), "STANDIN_HOST": "127.0.0.1"}
        env |= {"ARANGO_ROOT_PASSWORD": root, "ARANGODB_DEFAULT_ROOT_PASSWORD": root}
        self.process = subprocess.Popen([sys.executable, standin], env={**os.environ, **env}, stdout=subprocess.DEVNULL)

    def stop(self):
        self.process.terminate()
        self.process.wait(10)

    def bootstrap(self, **more):
        """Runs the script and returns its status and output."""
        env = {"ARANGO_URL": f"http://127.0.0.1:{self.port}", "ARANGO_DATABASE": "shop", "ARANGO_USERNAME": "seller", "CREDENTIALS": str(self.secrets)}
        done = subprocess.run([sys.executable, "-I", "-B", str(BOOTSTRAP)], env={**env, **more}, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout + done.stderr

    def status(self, user, password, path, body=None):
        """The status of a request; a body makes it a POST."""
        login = base64.b64encode(f"{user}:{password}".encode()).decode()
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, {"Authorization": f"Basic {login}"})
        try:
            with urllib.request.urlopen(request, timeout=5) as response:
                return response.status
        except urllib.error.HTTPError as error:
            return error.code


@pytest.fixture
def server(tmp_path):
    server = Server(tmp_path)
    server.start()
    yield server
    server.stop()


def test_the_app_reaches_no_other_database_and_creates_none(server):
    assert server.bootstrap()[0] == 0
    app = ("seller", SECRETS["password"])
    assert server.status(*app, APP_DATA) == 200
    assert server.status(*app, "/_api/database", {"name": "other"}) in (401, 403)
    assert server.status(*app, "/_db/metrics/_api/collection") in (401, 403)


def test_the_password_of_metrics_is_repaired(server):
    server.bootstrap()
    server.write({"metrics-password": "another-Pa55"})
    code, output = server.bootstrap()
    assert code == 0 and "user metrics: password repaired" in output
    assert server.status("metrics", "another-Pa55", METRICS) == 200
    assert server.status("metrics", SECRETS["metrics-password"], METRICS) == 401


def test_a_lost_grant_is_repaired(server):
    server.bootstrap()
    server.stop()
    data = server.folder / "standin.json"
    state = json.loads(data.read_text())
    state["users"]["seller"]["grants"] = {}
    data.write_text(json.dumps(state))
    server.start()
    code, output = server.bootstrap()
    assert code == 0 and "user seller: rw on shop" in output
    assert server.status("seller", SECRETS["password"], APP_DATA) == 200


@pytest.mark.parametrize("name", [
    {"ARANGO_USERNAME": "root"}, {"ARANGO_USERNAME": "metrics"}, {"ARANGO_DATABASE": "metrics"}, {"ARANGO_DATABASE": "_system"},
])
def test_reserved_names_are_rejected_before_any_request(tmp_path, name):
    code, output = Server(tmp_path).bootstrap(**name)
    assert code == 1 and "are reserved" in output


def test_a_trailing_newline_belongs_to_the_app_s_password_and_not_to_that_of_metrics(tmp_path):
    server = Server(tmp_path)
    server.write({key: f"{value}\n" for key, value in SECRETS.items()})
    server.start()
    code, _ = server.bootstrap()
    app = server.status("seller", f"{SECRETS['password']}\n", APP_DATA)
    metrics = server.status("metrics", SECRETS["metrics-password"], METRICS)
    server.stop()
    assert (code, app, metrics) == (0, 200, 200)


@pytest.mark.parametrize("response", [b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", b"HTTP/1.1 500 X\r\nContent-Length: 2\r\n\r\n[]"])
def test_an_unusable_response_ends_with_a_sentence(tmp_path, response):
    server = Server(tmp_path)
    ready = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"

    def serve(listener):
        for each in (ready, response):
            link, _ = listener.accept()
            with link:
                link.recv(65536)
                link.sendall(each)

    with socket.create_server(("127.0.0.1", server.port)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        code, output = server.bootstrap()
    assert code == 1
    assert output.startswith("bootstrap: GET ") and "Traceback" not in output
