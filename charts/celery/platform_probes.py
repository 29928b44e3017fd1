"""Health files for probes, and defaults, that the platform adds to a Celery app without changing it.

Loaded by `celery worker --include=platform_probes` and `celery beat --scheduler=platform_probes:Scheduler`. In the folder
PLATFORM_PROBES, the file `alive` is touched while the program works or waits for its broker, which a restart would not bring
back. The file `ready` exists while a worker consumes, or while beat ticks.
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path

from celery import bootsteps, signals
from celery.beat import PersistentScheduler

FOLDER = Path(os.environ.get("PLATFORM_PROBES", "/run/platform"))
ALIVE, READY = FOLDER / "alive", FOLDER / "ready"
INTERVAL = 15  # seconds: the longest pause of beat's loop; a worker sends a heartbeat every 2
HANGS_AFTER = 2 * INTERVAL


def configure(app):
    """Sets the platform's defaults, which the app's own settings override."""
    # The last of these maps has Celery's defaults; the app's settings, wherever it makes them, come before it.
    app.conf.maps[-1].update(broker_connection_max_retries=None, task_send_sent_event=True)
    # Without a time-out, a command waits forever for a Redis that accepts connections and does not answer.
    options = {"socket_connect_timeout": 5, "socket_timeout": 15}
    if "PLATFORM_VISIBILITY_TIMEOUT_SECONDS" in os.environ:
        options["visibility_timeout"] = int(os.environ["PLATFORM_VISIBILITY_TIMEOUT_SECONDS"])
    # Changed in place: an app that reads its settings with a prefix ignores an assigned value.
    for name, value in options.items():
        app.conf.broker_transport_options.setdefault(name, value)


class HealthFiles(threading.Thread):
    """Keeps the files up to date. It does not run in a pool's children, since a fork copies no threads."""

    def __init__(self):
        super().__init__(name="platform-health-files", daemon=True)
        self.working = self.stopping = False
        self.last_progress = time.monotonic()

    def run(self):
        while True:
            self.update()
            time.sleep(2)

    def update(self):
        progressing = time.monotonic() - self.last_progress < HANGS_AFTER
        if progressing or self.stopping or waits_for_broker():
            ALIVE.touch()
        if progressing and self.working and not self.stopping:
            READY.touch()
        else:
            READY.unlink(missing_ok=True)

    def progress(self, **_):
        self.last_progress = time.monotonic()

    def set_working(self, working):
        self.progress()
        self.working = working
        self.update()

    def set_stopping(self):
        self.stopping = True
        self.update()


def waits_for_broker():
    """Whether the main thread runs a Redis command, or pauses before it retries one. Kombu retries a lost connection forever."""
    frame = sys._current_frames().get(threading.main_thread().ident)
    while frame and frame.f_globals.get("__name__") in ("socket", "ssl"):
        frame = frame.f_back
    return bool(frame) and frame.f_globals.get("__name__", "").startswith(("redis.", "kombu.utils.functional"))


health = HealthFiles()
signals.heartbeat_sent.connect(health.progress)


class Consuming(bootsteps.StartStopStep):
    """Runs last when a consumer starts, and first when it stops or loses its connection."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, consumer):
        health.set_working(True)

    def stop(self, consumer):
        health.set_working(False)

    shutdown = stop


@signals.worker_init.connect
def start_worker(sender, **_):
    """Runs in the parent process, before its pool and its consumer exist."""
    configure(sender.app)
    sender.app.steps["consumer"].add(Consuming)
    health.start()


@signals.worker_shutting_down.connect
def stop_worker(how, **_):
    """After SIGTERM, running tasks get a time limit; Celery then returns them to the queue."""
    health.set_stopping()
    seconds = os.environ.get("PLATFORM_SOFT_SHUTDOWN_SECONDS")
    # Celery's own soft shutdown always sleeps for the whole time, even when all tasks have ended.
    if how == "Warm" and seconds:
        timer = threading.Timer(float(seconds), os.kill, (os.getpid(), signal.SIGQUIT))
        timer.daemon = True
        timer.start()


class Scheduler(PersistentScheduler):
    """Celery's own scheduler, which also saves its state before it sends a task, so that a killed beat sends none twice."""

    def __init__(self, app, *args, **kwargs):
        configure(app)
        super().__init__(app, *args, **kwargs)
        self.max_interval = min(self.max_interval, INTERVAL)

    def reserve(self, entry):
        reserved = super().reserve(entry)
        self.sync()
        return reserved

    def tick(self, *args, **kwargs):
        health.progress()
        delay = super().tick(*args, **kwargs)
        health.set_working(True)
        return delay


@signals.beat_init.connect
def start_beat(**_):
    health.start()
