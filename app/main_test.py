"""The tasks of the app."""

import json
import os
import signal
import urllib.request

import pytest
from conftest import TOKEN, eventually, result_of


def test_a_note_is_kept_and_read_through_the_cache(main):
    sent = main.note.delay("hello")
    key = sent.get(20)["key"]
    assert key == sent.id
    assert main.notes().get(key)["text"] == "hello"
    assert result_of(main.read, key) == {"key": key, "text": "hello", "trace": sent.get()["trace"], "cached": False}
    assert result_of(main.read, key)["cached"]
    assert 0 < main.cache().ttl(f"note:{key}") <= 60


def test_a_task_that_runs_twice_leaves_one_note(platform, main):
    for _ in range(2):
        main.note.apply_async(["again"], task_id="the-same")
    eventually(lambda: platform.log("default").count("note the-same is written") == 2)
    assert main.notes().get("the-same")["text"] == "again"


def test_a_replaced_note_is_not_read_from_the_cache(main):
    for text in ("old", "new"):
        result_of(main.note, text, "over")
        assert result_of(main.read, "over")["text"] == text


def test_an_unknown_note_is_none(main):
    assert result_of(main.read, "unknown") is None


def test_two_processes_may_create_the_collection(main):
    assert [main.notes.__wrapped__().name for _ in range(2)] == ["notes", "notes"]


def test_a_database_that_is_down_delays_a_note(platform, main):
    platform.database.kill()
    platform.database.wait()
    sent = main.note.delay("delayed")
    eventually(lambda: "Retry in" in platform.log("default"))
    platform.start_arango()
    key = sent.get(30)["key"]
    assert main.notes().get(key)["text"] == "delayed"


def test_lookup_finds_instances_that_pass_their_checks(platform, main):
    for number, status in ((1, "passing"), (2, "critical")):
        service = {"ID": f"app-{number}", "Name": "app-shop", "Address": f"10.0.0.{number}", "Port": 80, "Check": {"TTL": "1h", "Status": status}}
        request = urllib.request.Request(f"{platform.env['CONSUL_HTTP_ADDR']}/v1/agent/service/register", json.dumps(service).encode(),
                                         {"X-Consul-Token": TOKEN}, method="PUT")
        urllib.request.urlopen(request, timeout=5).close()
    assert eventually(lambda: result_of(main.lookup, "app-shop")) == ["10.0.0.1:80"]
    assert result_of(main.lookup, "no/such service") == []


def test_a_slow_task_has_its_own_queue(main):
    sent = main.slow.delay(2)
    active = eventually(lambda: [task for tasks in (main.celery.control.inspect().active() or {}).values() for task in tasks if task["id"] == sent.id])
    assert active[0]["delivery_info"]["routing_key"] == "slow"
    assert sent.get(20) == 2


def test_fail_fails(main):
    with pytest.raises(RuntimeError, match="always fails"):
        result_of(main.fail)


def test_a_task_whose_process_is_killed_runs_again(platform, main):
    before = platform.log("default").count("slow starts: 1.5 s")
    sent = main.slow.delay(1.5)
    pid = eventually(lambda: [task["worker_pid"] for tasks in (main.celery.control.inspect(timeout=0.3).active() or {}).values()
                              for task in tasks if task["id"] == sent.id and task["worker_pid"]])[0]
    os.kill(pid, signal.SIGKILL)
    assert sent.get(20) == 1.5
    assert platform.log("default").count("slow starts: 1.5 s") == before + 2
