"""What conformance does not ask of acl.sh. Runs it against a real CONSUL, with the policies that POLICIES holds as the chart renders them."""

import base64
import json
import os
import socket
import subprocess
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import pytest

HERE = Path(__file__).parent
APP = "/v1/acl/token/faa264ee-d781-4091-b5ee-e91c86cdbb65"


def free_ports(number):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Consul:
    """One server, and a copy of the scripts and policies that a test may change."""

    def __init__(self, folder):
        self.program, policies = os.environ.get("CONSUL"), os.environ.get("POLICIES")
        assert self.program, "set CONSUL to the program"
        assert policies, "set POLICIES to the folder of the rendered policies"
        self.folder, self.scripts = folder, folder / "scripts"
        for name in ("bin", "memory", "secrets", "scripts"):
            (folder / name).mkdir()
        self.secrets = {f"{name}-token": str(uuid.uuid4()) for name in ("management", "agent", "app", "metrics")}
        self.secrets["gossip-key"] = base64.b64encode(os.urandom(32)).decode()
        self.write_secrets()
        for file in (*Path(policies).glob("*.json"), HERE / "acl.sh", HERE / "start.sh"):
            (self.scripts / file.name).write_bytes(file.read_bytes())
        (folder / "bin/consul").symlink_to(self.program)
        self.http, dns, server, serf = free_ports(4)
        config = {
            "server": True, "bootstrap_expect": 1, "datacenter": "dc1", "data_dir": str(folder / "data"), "bind_addr": "127.0.0.1",
            "client_addr": "127.0.0.1", "disable_update_check": True, "leave_on_terminate": True,
            "ports": {"http": self.http, "dns": dns, "server": server, "serf_lan": serf, "serf_wan": -1, "grpc": -1, "grpc_tls": -1},
            "acl": {"enabled": True, "default_policy": "deny", "enable_token_persistence": True},
        }
        (folder / "consul.json").write_text(json.dumps(config))
        self.env = {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "CREDENTIALS": str(folder / "secrets"),
                    "MEMORY": str(folder / "memory"), "CONSUL_HTTP_ADDR": f"http://127.0.0.1:{self.http}"}

    def write_secrets(self):
        for name, value in self.secrets.items():
            (self.folder / "secrets" / name).write_text(value)

    def rotate(self, name):
        """Changes a token in the Secret and returns the former one."""
        old, self.secrets[name] = self.secrets[name], str(uuid.uuid4())
        self.write_secrets()
        return old

    def start(self):
        with (self.folder / "log").open("w") as log:
            self.server = subprocess.Popen(["sh", "scripts/start.sh", "-config-file=consul.json"], cwd=self.folder, env=self.env, stdout=log, stderr=log)

    def stop(self):
        self.server.terminate()
        self.server.wait(20)

    def run(self):
        """Runs acl.sh and returns its status and output."""
        done = subprocess.run(["sh", "scripts/acl.sh"], cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=90)
        return done.returncode, done.stdout + done.stderr

    def succeed(self):
        code, output = self.run()
        assert code == 0, output
        return output

    def intercept(self, pattern, response):
        """Answers requests whose arguments match with a shell command, as a failing server would."""
        curl = self.folder / "bin/curl"
        real = subprocess.run(["sh", "-c", "command -v curl"], capture_output=True, text=True, check=True).stdout.strip()
        curl.write_text(f'#!/bin/sh\ncase $* in {pattern}) {response}; exit ;; esac\nexec {real} "$@"\n')
        curl.chmod(0o755)

    def status(self, path, token, method="GET", body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}{path}", body, {"X-Consul-Token": self.secrets.get(token, token)}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return response.status
        except urllib.error.HTTPError as error:
            return error.code

    def writes(self, key, token="app-token"):
        return self.status(f"/v1/kv/{key}", token, "PUT", b"1")


@pytest.fixture
def consul(tmp_path):
    consul = Consul(tmp_path)
    consul.start()
    yield consul
    consul.stop()


def test_a_token_and_a_policy_that_were_changed_by_hand_are_restored(consul):
    consul.succeed()
    wide = json.dumps({"Policies": [{"Name": "global-management"}, {"Name": "app"}]}).encode()
    assert consul.status(APP, "management-token", "PUT", wide) == 200
    assert consul.writes("other/x") == 200
    assert "token app: replaced" in consul.succeed()
    assert consul.writes("other/x") == 403
    file = consul.scripts / "app.json"
    policy = json.loads(file.read_text()) | {"Rules": json.dumps({"key_prefix": {"": {"policy": "write"}}})}
    file.write_text(json.dumps(policy, separators=(",", ":")))
    assert "policy app: changed" in consul.succeed()
    assert consul.writes("other/x") == 200


def test_a_rotated_token_replaces_the_old_one(consul):
    consul.succeed()
    old = consul.rotate("app-token")
    output = consul.succeed()
    assert "token app: replaced" in output and "token agent: up to date" in output
    assert consul.writes("app/x") == 200
    assert consul.writes("app/x", old) == 403


def test_a_rotated_management_token_works_once_the_servers_restart(consul):
    consul.succeed()
    consul.rotate("management-token")
    code, output = consul.run()
    assert code == 1 and "this cluster does not have the Secret's management token" in output
    consul.stop()
    consul.start()
    consul.succeed()


def test_errors_end_with_a_sentence(consul):
    consul.succeed()
    for pattern, response, sentence in (
        ("*token/self*", "printf '\\n500'", "the management token could not be checked; the Job tries again"),
        ("*autopilot*", "printf 'no\\n500'", "GET /v1/operator/autopilot/configuration returned no\n500"),
        ("*autopilot*", "false", "GET /v1/operator/autopilot/configuration: no response; the Job tries again"),
        ("*0000-0000*", "false", "GET /v1/acl/token/00000000-0000-0000-0000-000000000002: no response; the Job tries again"),
    ):
        consul.intercept(pattern, response)
        code, output = consul.run()
        assert code == 1 and output.rstrip().endswith(f"consul-acl: {sentence}"), output
    (consul.folder / "bin/curl").unlink()
    for file, sentence in (("app.json", "app.json does not end with its rules"), ("autopilot.json", "autopilot.json is empty")):
        (consul.scripts / file).write_text("")
        code, output = consul.run()
        assert code == 1 and output.rstrip().endswith(sentence), output


def test_it_gives_up_without_a_leader(tmp_path):
    consul = Consul(tmp_path)
    script = consul.scripts / "acl.sh"
    script.write_text(script.read_text().replace("START_TIMEOUT=600", "START_TIMEOUT=1"))
    code, output = consul.run()
    assert code == 1
    assert output.splitlines() == [
        f"consul-acl: waiting for a leader at {consul.env['CONSUL_HTTP_ADDR']}",
        f"consul-acl: gave up: no leader at {consul.env['CONSUL_HTTP_ADDR']} after 1 s",
    ]
