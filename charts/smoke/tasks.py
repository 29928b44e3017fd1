"""Celery: tasks are sent, run by the right workers and answered; beat sends its schedule."""

import threading
import time
from concurrent.futures import Future, wait
from functools import partial
from typing import NamedTuple
from urllib.parse import quote

from celery import Celery

from . import tracing
from .check import Failed, Skipped, logs
from .redis import connect

TICK = 30  # seconds between two runs of main.tick in the reference app's schedule


class Note:
    """The note that a task writes. Other checks look for the note and for the task's trace."""

    def __init__(self, settings):
        # All runs share the key, so that a run replaces and removes what a killed one left.
        self.key, self.text, self.written = settings.name, settings.run, Future()

    def trace_id(self, check):
        """Waits for the task and returns its trace ID. The check's clock starts again, since telemetry follows the task."""
        if not wait([self.written], check.timeouts.task).done:
            raise Failed(f"the task did not return within {check.timeouts.task} s")
        check.restart_clock()
        return self.written.result()


class Sent(NamedTuple):
    """A task in a queue."""

    id: str
    name: str
    queue: str


class WorkerEvents(threading.Thread):
    """Listens to the workers' events for which of them starts a task."""

    def __init__(self, celery):
        super().__init__(daemon=True)
        self.celery, self.receiver, self.started, self.connected = celery, None, {}, threading.Event()

    def run(self):
        while self.receiver is None or not self.receiver.should_stop:
            try:
                with self.celery.connection_for_read() as connection:
                    self.receiver = self.celery.events.Receiver(connection, handlers={"*": self.handle})
                    self.receiver.capture(wakeup=False)
            except Exception:
                time.sleep(1)

    def handle(self, event):
        self.connected.set()
        if event["type"] == "task-started":
            self.started[event["uuid"]] = event["hostname"]

    def stop(self, timeout):
        """Ends the subscription, which removes its queue from Redis."""
        if self.receiver:
            self.receiver.should_stop = True
            self.join(timeout)


class Tasks:
    def __init__(self, settings, note, telemetry):
        self.settings, self.timeouts, self.note, self.telemetry = settings, settings.timeouts, note, telemetry
        broker, results = (with_password(url, settings.broker_password) for url in (settings.broker_url, settings.results_url))
        self.celery = Celery("smoke", broker=broker, backend=results, set_as_current=False)
        self.celery.conf.broker_transport_options = {
            "socket_connect_timeout": self.timeouts.request,
            "socket_timeout": self.timeouts.broker,
            # Kombu consumers also requeue unacknowledged tasks; disable that here.
            "visibility_timeout": 10**8,
        }
        self.broker = connect(settings.broker_url, settings.broker_password, self.timeouts.request)
        self.cache = connect(settings.cache_url, settings.cache_password, self.timeouts.request)
        self.events, self.registered, self.sent, self.stopping = WorkerEvents(self.celery), Future(), [], threading.Event()

    def checks(self):
        yield "beat sends every scheduled tick once", self.beat_sends_ticks, logs("celery-beat")

    def run(self, report):
        """Runs the checks that send a task, one after another."""
        self.events.start()
        try:
            self.registered.set_result(self.find_registered())
        except Exception:
            # Sending the first task fails for the same reason, and reports it.
            self.registered.set_result(None)
        self.events.connected.wait(self.timeouts.event)
        report.run("a task through Redis writes a note and returns its result", self.writes_note, logs("celery-worker"))
        for queue, pool in self.settings.queues.items():
            name, command = f"a task of the queue {queue} runs on a worker of the pool {pool}", f"logs deployment/celery-worker-{pool} --tail=50"
            report.run(name, partial(self.runs_in_pool, queue, pool), command)

    def find_registered(self):
        """The names of the workers' tasks, or None when no worker replies."""
        self.broker.ping()
        for _ in range(3):
            replies = self.celery.control.inspect(timeout=self.timeouts.inspect).registered()
            if replies:
                return {task.split()[0] for tasks in replies.values() for task in tasks}
        return None

    def require(self, task):
        """Skips the check when the app lacks a task of the reference app."""
        registered = self.registered.result()
        if registered is not None and task not in registered:
            raise Skipped(f"the app has no task {task}")

    def send(self, name, queue, args):
        if self.stopping.is_set():
            raise Skipped("the run was stopped")
        # Celery retries for 20 s before it reports that Redis is down or refuses the password.
        self.broker.ping()
        # Whatever happens here, no worker runs it later.
        task = Sent(self.celery.send_task(name, args, queue=queue, expires=self.timeouts.task).id, name, queue)
        self.sent.append(task)
        return task

    def result(self, task):
        """Waits for a task's result."""
        deadline = time.monotonic() + self.timeouts.result
        while time.monotonic() < deadline:
            meta = self.celery.backend.get_task_meta(task.id)
            if meta["status"] == "SUCCESS":
                return meta["result"]
            if meta["status"] == "FAILURE":
                raise Failed(f"{task.name} failed: {meta['result']!r}")
            time.sleep(0.1)
        worker = self.events.started.get(task.id)
        if meta["status"] == "RETRY":
            raise Failed(f"{worker} keeps retrying {task.name}: {meta['result']!r}")
        progress = f"{worker} did not finish it" if worker else "no worker started it"
        raise Failed(f"{task.name} was sent to Redis, and {progress} within {self.timeouts.result} s")

    def writes_note(self, check):
        try:
            trace_id = self.send_note(check)
        except Exception as error:
            self.note.written.set_exception(error if isinstance(error, Skipped) else Skipped("main.note did not run"))
            raise
        self.note.written.set_result(trace_id)
        return f"trace {trace_id}"

    def send_note(self, check):
        self.require("main.note")
        check.record_standins(f"{self.settings.arango_url}/_admin/server/availability")
        self.telemetry.read_counters(check)
        with tracing.span(self.telemetry.root_span, self.timeouts.request):
            task = self.send("main.note", self.settings.note_queue, (self.note.text, self.note.key))
        result = self.result(task)
        if not isinstance(result, dict) or result.get("key") != self.note.key or not result.get("trace"):
            raise Failed(f"main.note returned {result!r}, not the key {self.note.key} and a trace")
        return result["trace"]

    def runs_in_pool(self, queue, pool, check):
        self.require("main.slow")
        task = self.send("main.slow", queue, (0,))
        value = self.result(task)
        if value != 0:
            raise Failed(f"main.slow(0) returned {value!r}")
        deadline = time.monotonic() + self.timeouts.event
        while task.id not in self.events.started and time.monotonic() < deadline:
            time.sleep(0.1)
        worker = self.events.started.get(task.id)
        if worker is None:
            raise Failed("the result arrived, but no event names the worker")
        if worker.partition("@")[0] != pool:
            raise Failed(f"it ran on {worker}; the manifests assign the queue {queue} to the pool {pool}")
        return worker

    def beat_sends_ticks(self, check):
        seconds = self.timeouts.beat
        start, steps = time.monotonic(), []
        before = int(self.cache.get("ticks") or 0)
        while time.monotonic() < start + seconds:
            ticks = int(self.cache.get("ticks") or 0)
            if ticks != before:
                steps.append((time.monotonic() - start, ticks - before))
            before = ticks
            time.sleep(0.25)
        self.require("main.tick")
        if not steps:
            raise Failed(f"no tick in {seconds} s; beat should send one every {TICK} s")
        intervals = [later - earlier for (earlier, _), (later, _) in zip(steps, steps[1:])]
        if any(step != 1 for _, step in steps) or any(interval < TICK - 5 for interval in intervals):
            raise Failed(f"the count of ticks changed by {', '.join(f'{step:+d} after {at:.0f} s' for at, step in steps)}")
        return f"{len(steps)} in {seconds} s"

    def cleanups(self, check):
        # The tasks come first: one that still runs would write its note again.
        self.stopping.set()
        yield "the tasks", self.forget
        yield "the cached note", lambda: self.cache.delete(f"note:{self.note.key}")
        yield "the events", lambda: self.events.stop(self.timeouts.stop)

    def forget(self):
        """Removes results and messages, and revokes tasks that a worker would retry."""
        unfinished, deadline = [task.id for task in self.sent], time.monotonic() + self.timeouts.stop
        while unfinished and time.monotonic() < deadline:
            unfinished = [each for each in unfinished if self.celery.backend.get_task_meta(each)["status"] not in ("SUCCESS", "FAILURE")]
            time.sleep(0.1)
        if unfinished:
            self.celery.control.revoke(unfinished)
        for task in self.sent:
            self.celery.backend.client.delete(self.celery.backend.get_key_for_task(task.id))
            for message in self.broker.lrange(task.queue, 0, -1):
                if task.id.encode() in message:
                    self.broker.lrem(task.queue, 1, message)


def with_password(url, password):
    return url.replace("redis://", f"redis://:{quote(password, safe='')}@")
