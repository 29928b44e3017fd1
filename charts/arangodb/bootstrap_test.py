"""bootstrap.py against the program ARANGODB_STANDIN: a stand-in proves what is asked, not what ArangoDB makes of it."""

import base64
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

BOOTSTRAP = Path(__file__).with_name("bootstrap.py")
SECRETS = {"root-password": "root-Pa55", "password": "app-Pa55", "metrics-password": "metrics-Pa55"}


class Server:
    def __init__(self, folder):
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.secrets = folder / "secrets"
        self.secrets.mkdir()
        self.set(**SECRETS)

    def set(self, **values):
        for key, value in values.items():
            (self.secrets / key.replace("_", "-")).write_text(value)

    def read(self, key):
        return (self.secrets / key).read_text()

    def start(self, delay=0):
        program = os.environ.get("ARANGODB_STANDIN")
        assert program, "set ARANGODB_STANDIN to the program that stands in for ArangoDB"
        env = {
            **os.environ,
            "STANDIN_DATA": str(self.folder),
            "STANDIN_PORT": str(self.port),
            "STANDIN_HOST": "127.0.0.1",
            "ARANGO_ROOT_PASSWORD": self.read("root-password"),
            "ARANGODB_DEFAULT_ROOT_PASSWORD": self.read("root-password"),
        }
        self.process = subprocess.Popen(["sh", "-c", f"sleep {delay}; exec {sys.executable} {program}"], env=env, stdout=subprocess.DEVNULL)

    def stop(self):
        self.process.terminate()
        self.process.wait(10)

    def run(self, **more):
        env = {
            "PATH": os.environ["PATH"],
            "ARANGO_URL": f"http://127.0.0.1:{self.port}",
            "ARANGO_DATABASE": "symphainy_platform",
            "ARANGO_USERNAME": "platform_user",
            "CREDENTIALS": str(self.secrets),
            **more,
        }
        done = subprocess.run([sys.executable, "-I", "-B", str(BOOTSTRAP)], env=env, capture_output=True, text=True, timeout=60)
        said = done.stdout + done.stderr
        assert not [value for value in self.values() if value in said], "a secret was printed"
        return done.returncode, said

    def values(self):
        return [path.read_text() for path in self.secrets.iterdir()] + list(SECRETS.values())

    def get(self, user, password, path, data=None):
        login = base64.b64encode(f"{user}:{password}".encode()).decode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, {"Authorization": f"Basic {login}"})
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code


@pytest.fixture
def server(tmp_path):
    server = Server(tmp_path)
    server.start()
    yield server
    server.stop()


def test_creates_then_changes_nothing(server):
    code, said = server.run()
    assert code == 0
    assert "database symphainy_platform: created" in said
    assert server.get("platform_user", SECRETS["password"], "/_db/symphainy_platform/_api/collection") == 200
    assert server.get("metrics", SECRETS["metrics-password"], "/_db/metrics/_admin/metrics/v2") == 200
    before = (server.folder / "standin.json").read_text()
    code, said = server.run()
    assert code == 0
    assert "created" not in said and "repaired" not in said
    assert (server.folder / "standin.json").read_text() == before


def test_the_users_see_their_own_database_only(server):
    server.run()
    app = ("platform_user", SECRETS["password"])
    assert server.get(*app, "/_api/database", json.dumps({"name": "other"}).encode()) in (401, 403)
    assert server.get(*app, "/_db/metrics/_api/collection") in (401, 403)
    assert server.get("metrics", SECRETS["metrics-password"], "/_db/symphainy_platform/_api/collection") in (401, 403)


@pytest.mark.parametrize(("key", "user", "path"), [
    ("password", "platform_user", "/_db/symphainy_platform/_api/collection"),
    ("metrics-password", "metrics", "/_db/metrics/_admin/metrics/v2"),
])
def test_repairs_a_changed_password(server, key, user, path):
    server.run()
    server.set(**{key: "another-Pa55"})
    code, said = server.run()
    assert code == 0
    assert f"user {user}: password repaired" in said
    assert server.get(user, "another-Pa55", path) == 200
    assert server.get(user, SECRETS[key], path) == 401


def test_a_user_without_its_grant_gets_it(server):
    server.run()
    data = server.folder / "standin.json"
    server.stop()
    state = json.loads(data.read_text())
    state["users"]["platform_user"]["grants"] = {}
    data.write_text(json.dumps(state))
    server.start(delay=0)
    assert server.run()[0] == 0
    assert server.get("platform_user", SECRETS["password"], "/_db/symphainy_platform/_api/collection") == 200


def test_waits_for_the_server(tmp_path):
    server = Server(tmp_path)
    server.start(delay=3)
    start = time.monotonic()
    code, _ = server.run()
    server.stop()
    assert code == 0
    assert time.monotonic() - start > 2


def test_a_wrong_root_password_is_said_in_a_sentence(server):
    server.run()
    server.set(root_password="not-it")
    code, said = server.run()
    assert code == 1
    assert "the root password in the Secret is not the database's" in said
    assert "Traceback" not in said
    server.stop()
    server.start()
    assert server.run()[0] == 0


@pytest.mark.parametrize("taken", [{"ARANGO_USERNAME": "root"}, {"ARANGO_USERNAME": "metrics"}, {"ARANGO_DATABASE": "metrics"}])
def test_refuses_names_that_are_taken(server, taken):
    before = (server.run(), (server.folder / "standin.json").read_text())[1]
    code, said = server.run(**taken)
    assert code == 1
    assert "are taken" in said
    assert (server.folder / "standin.json").read_text() == before


def test_a_secret_that_ends_in_a_newline_is_what_its_readers_make_of_it(tmp_path):
    server = Server(tmp_path)
    server.set(**{key: f"{value}\n" for key, value in SECRETS.items()})
    server.start()
    code, _ = server.run()
    variable, trimmed = f'{SECRETS["password"]}\n', SECRETS["metrics-password"]
    app = server.get("platform_user", variable, "/_db/symphainy_platform/_api/collection")
    metrics = server.get("metrics", trimmed, "/_db/metrics/_admin/metrics/v2")
    server.stop()
    assert (code, app, metrics) == (0, 200, 200)


@pytest.mark.parametrize("answer", [b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", b"HTTP/1.1 500 X\r\nContent-Length: 2\r\n\r\n[]"])
def test_an_answer_it_cannot_use_is_said_in_a_sentence(tmp_path, answer):
    server = Server(tmp_path)
    ready = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"

    def serve(listener):
        for each in (ready, answer):
            link, _ = listener.accept()
            with link:
                link.recv(65536)
                link.sendall(each)

    with socket.create_server(("127.0.0.1", server.port)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        code, said = server.run()
    assert code == 1
    assert said.startswith("bootstrap: GET ")
    assert "Traceback" not in said
