"""start.sh and acl.sh with the program CONSUL, a real one, and the policies that POLICIES holds as the chart renders them."""

import base64
import json
import os
import socket
import struct
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TOKENS = ("management-token", "agent-token", "app-token", "metrics-token")


def free_ports(number):
    sockets = [socket.socket() for _ in range(number)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Cluster:
    def __init__(self, folder):
        consul = os.environ.get("CONSUL")
        assert consul, "set CONSUL to the program"
        policies = os.environ.get("POLICIES")
        assert policies, "set POLICIES to the folder of the rendered policies"
        self.folder = folder
        self.http, self.dns, server, serf, self.checked = free_ports(5)
        self.secrets = {name: str(uuid.uuid4()) for name in TOKENS}
        self.secrets["gossip-key"] = base64.b64encode(os.urandom(32)).decode()
        for name in ("bin", "memory", "secrets", "scripts"):
            (folder / name).mkdir()
        self.write_secrets()
        for file in (*Path(policies).glob("*.json"), HERE / "acl.sh", HERE / "start.sh"):
            (folder / "scripts" / file.name).write_bytes(file.read_bytes())
        # Every program that the scripts start is seen with its arguments.
        for name, real in (("curl", "curl"), ("consul", consul), ("cat", "cat"), ("sed", "sed")):
            path = subprocess.run(["sh", "-c", f"command -v {real}"], capture_output=True, text=True, check=True).stdout.strip()
            wrapper = folder / "bin" / name
            wrapper.write_text(f'#!/bin/sh\necho "$0 $@" >>{folder}/arguments\nexec {path} "$@"\n')
            wrapper.chmod(0o755)
        config = {
            "server": True, "bootstrap_expect": 1, "datacenter": "dc1", "data_dir": str(folder / "data"),
            "bind_addr": "127.0.0.1", "client_addr": "127.0.0.1", "disable_update_check": True, "leave_on_terminate": True,
            "ports": {"http": self.http, "dns": self.dns, "server": server, "serf_lan": serf, "serf_wan": -1, "grpc": -1, "grpc_tls": -1},
            "acl": {"enabled": True, "default_policy": "deny", "enable_token_persistence": True},
            "telemetry": {"prometheus_retention_time": "2m", "disable_hostname": True},
            "services": [{"id": "redis", "name": "redis", "address": "127.0.0.1", "port": self.checked,
                          "checks": [{"name": "accepts connections", "tcp": f"127.0.0.1:{self.checked}", "interval": "1s", "timeout": "1s"}]}],
        }
        (folder / "consul.json").write_text(json.dumps(config))
        self.listener = socket.create_server(("127.0.0.1", self.checked))
        self.env = {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "CREDENTIALS": str(folder / "secrets"),
                    "MEMORY": str(folder / "memory"), "CONSUL_HTTP_ADDR": f"http://127.0.0.1:{self.http}"}
        self.server = None

    def write_secrets(self):
        for name, value in self.secrets.items():
            (self.folder / "secrets" / name).write_text(value)

    def start(self):
        with (self.folder / "log").open("w") as log:
            self.server = subprocess.Popen(["sh", "scripts/start.sh", "-config-file=consul.json"], cwd=self.folder, env=self.env, stdout=log, stderr=log)

    def stop(self):
        self.listener.close()
        if self.server:
            self.server.terminate()
            self.server.wait(20)

    def acl(self):
        done = subprocess.run(["sh", "scripts/acl.sh"], cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=90)
        said = done.stdout + done.stderr
        everywhere = said + (self.folder / "arguments").read_text() + (self.folder / "log").read_text()
        assert not [name for name, value in self.secrets.items() if value in everywhere], "a secret was printed or passed as an argument"
        return done.returncode, said

    def ask(self, path, token=None, method="GET", body=None):
        headers = {"X-Consul-Token": self.secrets.get(token, token)} if token else {}
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}{path}", body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return None

    def resolve(self, name, tcp=False):
        """How many answers DNS has for the name; None for NXDOMAIN."""
        labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
        query = struct.pack(">6H", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", 1, 1)
        if tcp:
            with socket.create_connection(("127.0.0.1", self.dns), 5) as link:
                link.sendall(struct.pack(">H", len(query)) + query)
                answer = link.recv(4096)[2:]
        else:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
                link.settimeout(5)
                link.sendto(query, ("127.0.0.1", self.dns))
                answer = link.recv(4096)
        _, flags, _, answers, _, _ = struct.unpack(">6H", answer[:12])
        return None if flags & 0xF == 3 else answers


@pytest.fixture
def cluster(tmp_path):
    cluster = Cluster(tmp_path)
    cluster.start()
    yield cluster
    cluster.stop()


def eventually(question, seconds=20):
    end = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.3)


def test_creates_then_leaves_everything_as_it_is(cluster):
    code, said = cluster.acl()
    assert code == 0, said
    assert "policy agent: created" in said and "token app: created" in said
    code, said = cluster.acl()
    assert code == 0, said
    assert not [word for word in ("created", "replaced", "changed") if word in said]


def test_what_was_changed_by_hand_is_set_right(cluster):
    assert cluster.acl()[0] == 0
    app = "/v1/acl/token/faa264ee-d781-4091-b5ee-e91c86cdbb65"
    wide = json.dumps({"Policies": [{"Name": "global-management"}, {"Name": "app"}]}).encode()
    assert cluster.ask(app, "management-token", "PUT", wide) == 200
    assert cluster.ask("/v1/kv/other/x", "app-token", "PUT", b"1") == 200
    code, said = cluster.acl()
    assert code == 0
    assert "token app: replaced" in said
    assert cluster.ask("/v1/kv/other/x", "app-token", "PUT", b"1") == 403
    policy = json.loads((cluster.folder / "scripts" / "app.json").read_text())
    policy["Rules"] = json.dumps({"key_prefix": {"": {"policy": "write"}}})
    (cluster.folder / "scripts" / "app.json").write_text(json.dumps(policy, separators=(",", ":")))
    assert "policy app: changed" in cluster.acl()[1]
    assert cluster.ask("/v1/kv/other/x", "app-token", "PUT", b"1") == 200


def test_a_server_error_is_not_taken_for_a_wrong_token(cluster):
    assert cluster.acl()[0] == 0
    wrapper = cluster.folder / "bin" / "curl"
    wrapper.write_text(wrapper.read_text().replace("exec ", "case $* in *token/self*) printf '\\n500'; exit ;; esac; exec "))
    code, said = cluster.acl()
    assert code == 1
    assert "could not be checked" in said


def test_dns_answers_without_a_token_once_the_policies_are_in(cluster):
    eventually(lambda: (cluster.folder / "log").read_text().count("New leader elected"))
    assert cluster.resolve("redis.service.consul") is None
    assert cluster.acl()[0] == 0
    # A server that was refused tries again within its anti-entropy interval of a minute.
    eventually(lambda: cluster.resolve("redis.service.consul") == 1, 150)
    assert cluster.resolve("redis.service.consul", tcp=True) == 1


def test_each_token_opens_its_own_door_only(cluster):
    assert cluster.acl()[0] == 0
    assert cluster.ask("/v1/kv/app/x", "app-token", "PUT", b"1") == 200
    assert cluster.ask("/v1/kv/app/x", "app-token") == 200
    assert cluster.ask("/v1/kv/other/x", "app-token", "PUT", b"1") == 403
    assert cluster.ask("/v1/kv/app/x", None, "PUT", b"1") == 403
    assert cluster.ask("/v1/kv/app/x", "no-such-token", "PUT", b"1") == 403
    assert cluster.ask("/v1/agent/metrics?format=prometheus", "metrics-token") == 200
    assert cluster.ask("/v1/agent/metrics?format=prometheus") == 403
    assert cluster.ask("/v1/kv/app/y", "metrics-token", "PUT", b"1") == 403


def test_a_rotated_token_replaces_the_old_one(cluster):
    assert cluster.acl()[0] == 0
    old = cluster.secrets["app-token"]
    cluster.secrets["app-token"] = str(uuid.uuid4())
    cluster.write_secrets()
    code, said = cluster.acl()
    assert code == 0
    assert "token app: replaced" in said and "token agent: as it should be" in said
    assert cluster.ask("/v1/kv/app/x", "app-token", "PUT", b"1") == 200
    assert cluster.ask("/v1/kv/app/x", old, "PUT", b"1") == 403


def test_a_wrong_management_token_is_said_in_a_sentence(cluster):
    assert cluster.acl()[0] == 0
    cluster.secrets["management-token"] = str(uuid.uuid4())
    cluster.write_secrets()
    code, said = cluster.acl()
    assert code == 1
    assert "the management token in the Secret is not one of this cluster" in said
    # As the sentence says: the servers take in a new one when they start.
    cluster.server.terminate()
    cluster.server.wait(20)
    cluster.start()
    assert cluster.acl()[0] == 0


def test_sigterm_makes_the_only_server_leave_and_it_finds_its_data_again(cluster):
    assert cluster.acl()[0] == 0
    assert cluster.ask("/v1/kv/app/x", "app-token", "PUT", b"1") == 200
    cluster.server.terminate()
    assert cluster.server.wait(15) == 0
    cluster.start()
    eventually(lambda: cluster.ask("/v1/kv/app/x", "app-token") == 200)
