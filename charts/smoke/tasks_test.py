import json
import threading
import time

import pytest

from . import tracing
from .check import Report
from .redis import connect
from .settings import Settings
from .tasks import Note, Tasks, WorkerEvents
from .telemetry import Telemetry


@pytest.fixture
def tasks(redis, env, monkeypatch):
    """The tasks of a run with a Redis of its own; workers reply at once."""
    settings = Settings(env)
    note = Note(settings)
    tasks = Tasks(settings, note, Telemetry(settings, note, traced=False))
    monkeypatch.setattr(tracing, "AVAILABLE", False)
    monkeypatch.setattr(tasks, "find_registered", lambda: {"main.note", "main.slow", "main.tick"})
    monkeypatch.setattr(tasks.events, "start", lambda: None)
    tasks.events.connected.set()
    return tasks


@pytest.fixture
def worker(tasks):
    """Answers tasks as a worker of the pool would: `results` by the task's name, a status and a value."""
    results = {"main.note": ("SUCCESS", {"key": "platform-smoke", "trace": "abc"}), "main.slow": ("SUCCESS", 0)}
    ended = threading.Event()

    def work():
        broker = connect(tasks.settings.broker_url, tasks.settings.broker_password, 2)
        while not ended.is_set():
            message = broker.brpop("celery", 0.1)
            if message:
                headers = json.loads(message[1])["headers"]
                tasks.events.started[headers["id"]] = "default@worker"
                status, value = results[headers["task"]]
                tasks.celery.backend.store_result(headers["id"], value, status)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    yield results
    ended.set()
    thread.join()


@pytest.fixture
def lines(tasks, capsys):
    """Sends all tasks and returns the lines of the report."""

    def run():
        tasks.run(Report(tasks.settings))
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return run


def test_tasks_are_answered_by_their_pool(tasks, worker, lines):
    first, second = lines()
    assert (first["state"], first["detail"], first["standins"]) == ("ok", "trace abc", ["arangodb"]), first
    assert (second["state"], second["detail"]) == ("ok", "default@worker"), second
    assert tasks.note.written.result() == "abc"


def test_a_worker_of_another_pool_is_found(tasks, worker, lines):
    tasks.settings.queues = {"celery": "other"}
    assert lines()[1]["detail"] == "it ran on default@worker; the manifests assign the queue celery to the pool other"


@pytest.mark.parametrize(("answer", "detail"), [
    (("FAILURE", ValueError("no")), "main.note failed: ValueError('no')"),
    (("RETRY", ValueError("no")), "default@worker keeps retrying main.note: ValueError('no')"),
    (("STARTED", None), "main.note was sent to Redis, and default@worker did not finish it within 1 s"),
    (("SUCCESS", {"key": "other", "trace": "abc"}), "main.note returned {'key': 'other', 'trace': 'abc'}, not the key platform-smoke and a trace"),
])
def test_a_task_that_goes_wrong_is_described_and_skips_what_follows_from_it(tasks, worker, lines, run_check, answer, detail):
    worker["main.note"] = answer
    assert lines()[0]["detail"] == detail
    assert run_check(tasks.note.trace_id)["state"] == "skipped"


def test_a_task_that_no_worker_takes_is_described_and_removed(tasks, lines, run_check):
    tasks.settings.queues = {}
    assert lines()[0]["detail"] == "main.note was sent to Redis, and no worker started it within 1 s"
    assert tasks.broker.llen("celery") == 1
    tasks.forget()
    assert tasks.broker.llen("celery") == 0


def test_the_note_goes_to_a_queue_of_the_workers(tasks, lines):
    tasks.settings.note_queue = "jobs"
    lines()
    assert tasks.broker.llen("jobs") == 1
    tasks.forget()


def test_results_and_the_cached_note_are_removed_and_nothing_is_sent_any_more(tasks, worker, lines, run_check):
    lines()
    tasks.cache.set("note:platform-smoke", "x")
    for _, remove in tasks.cleanups(None):
        remove()
    assert tasks.celery.backend.client.keys("*") == [] and tasks.cache.get("note:platform-smoke") is None
    assert run_check(lambda check: tasks.send("main.slow", "celery", (0,)))["detail"] == "the run was stopped"


def test_an_app_without_the_reference_tasks_skips_their_checks(tasks, lines, run_check, monkeypatch):
    monkeypatch.setattr(tasks, "find_registered", lambda: {"other.task"})
    assert [line["detail"] for line in lines()] == ["the app has no task main.note", "the app has no task main.slow"]
    assert run_check(tasks.beat_sends_ticks)["detail"] == "the app has no task main.tick"


def test_a_broker_that_is_down_fails_the_first_task(settings, run_check):
    note = Note(settings)
    tasks = Tasks(settings, note, Telemetry(settings, note))
    with pytest.raises(Exception):
        tasks.find_registered()
    tasks.registered.set_result(None)
    assert run_check(tasks.writes_note)["detail"].startswith("ConnectionError: ")


def test_a_task_that_does_not_return_fails_the_checks_that_wait_for_it(settings, run_check):
    assert run_check(Note(settings).trace_id)["detail"] == "the task did not return within 1 s"


@pytest.mark.parametrize(("steps", "detail"), [
    ([], "no tick in 1 s; beat should send one every 30 s"),
    ([1], "1 in 1 s"),
    ([2], "the count of ticks changed by +2 after "),
    ([1, 1], "the count of ticks changed by +1 after 0 s, +1 after "),
])
def test_beat_sends_each_tick_once(tasks, run_check, steps, detail):
    tasks.registered.set_result({"main.tick"})
    for number, step in enumerate(steps):
        threading.Timer(0.1 + number * 0.4, tasks.cache.incrby, ["ticks", step]).start()
    assert run_check(tasks.beat_sends_ticks)["detail"].startswith(detail)


def test_the_event_listener_records_who_starts_a_task_and_leaves_no_queue(tasks):
    events = WorkerEvents(tasks.celery)
    events.start()
    with tasks.celery.events.default_dispatcher(hostname="default@worker") as dispatcher:
        deadline = time.monotonic() + 5
        while not events.started and time.monotonic() < deadline:
            dispatcher.send("task-started", uuid="1")
            time.sleep(0.1)
    assert events.started == {"1": "default@worker"}
    events.stop(3)
    assert not events.is_alive() and not tasks.broker.smembers("_kombu.binding.celeryev")
