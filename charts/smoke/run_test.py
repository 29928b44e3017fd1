"""The package as the Job runs it, and the order of a run."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .run import Run


def start(env):
    command = [sys.executable, "-I", "-B", str(Path(__file__).parent)]
    return subprocess.Popen(command, env={"PATH": os.environ["PATH"], **env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def lines_of(process):
    output, errors = process.communicate(timeout=60)
    return [json.loads(line) for line in output.splitlines()], errors


def test_every_check_fails_by_name_where_nothing_answers_and_the_totals_come_last(env):
    process = start(env)
    *checks, last = lines_of(process)[0]
    assert process.returncode == 1
    names = [check["name"] for check in checks]
    assert names[0] == "DNS resolves every Service of the manifests"
    assert names[-2:] == ["every check ends in time", "smoke leaves nothing behind"]
    assert len(names) == len(set(names)) == 22
    states = [check["state"] for check in checks]
    assert last == {"totals": {state: states.count(state) for state in ("ok", "failed", "skipped")}}
    assert not [secret for secret in ("BROKER_PASSWORD-Pa55", "CONSUL_TOKEN-Pa55") if secret in json.dumps(checks)]


def test_a_run_that_is_stopped_cleans_up(env):
    process = start(env | {"TIMEOUTS": json.dumps(json.loads(env["TIMEOUTS"]) | {"telemetry": 30, "stop": 1})})
    first = process.stdout.readline()
    assert "DNS resolves" in first
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    *checks, last = lines_of(process)[0]
    assert process.returncode == 1 and "totals" in last
    assert checks[-1]["name"] == "smoke leaves nothing behind"


def test_a_check_that_hangs_is_named(settings, run_check):
    run, ended = Run(settings), threading.Event()
    running = {ThreadPoolExecutor(1).submit(ended.wait): "a slow check"}
    line = run_check(lambda _: run.wait_for(running))
    ended.set()
    assert line["detail"] == "still running after 3 s: a slow check"


def test_an_error_outside_the_checks_is_reported(settings, run_check):
    running = {ThreadPoolExecutor(1).submit(int, "x"): "the tasks"}
    assert run_check(lambda _: Run(settings).wait_for(running))["detail"].startswith("ValueError: ")


def test_what_cannot_be_removed_is_named(settings, servers, run_check):
    for path in ("/_db/db/_api/document/notes/platform-smoke", "/v1/kv/app/platform-smoke"):
        servers.responses[path] = 500, ""
    detail = run_check(Run(settings).remove_all)["detail"]
    assert "the cached note: " in detail and "the note: DELETE " in detail and "the key: DELETE " in detail


@pytest.mark.parametrize("missing", ["ARANGO_URL", "TIMEOUTS"])
def test_a_variable_that_is_missing_is_named(env, missing):
    process = start({name: value for name, value in env.items() if name != missing})
    assert f"KeyError: '{missing}'" in lines_of(process)[1]
