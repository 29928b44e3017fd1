"""What the platform adds to a Celery app from outside: files that its probes look at, and the timing it was promised.

`celery worker --include=platform_probes` and `celery beat --scheduler=platform_probes:Scheduler`. In the folder
PLATFORM_PROBES the file `alive` is touched as long as the process does its work or waits for its broker, which a restart
would not bring back; `ready` is there while a worker consumes, or once beat has ticked.
"""

import os
import sys
import threading
import time
from pathlib import Path

from celery import bootsteps, signals
from celery.beat import PersistentScheduler

FOLDER = Path(os.environ.get("PLATFORM_PROBES", "/run/platform"))
ALIVE, READY = FOLDER / "alive", FOLDER / "ready"
HEART = 30  # seconds after which a main loop hangs: a worker's heart beats every 2, beat's loop turns every 15 at least


def configure(app):
    """Sets what the platform promised, unless the app has decided itself."""
    # Without them a command waits for ever on a Redis that neither answers nor hangs up.
    options = {"socket_connect_timeout": 5, "socket_timeout": 15}
    if "PLATFORM_VISIBILITY_TIMEOUT_SECONDS" in os.environ:
        options["visibility_timeout"] = int(os.environ["PLATFORM_VISIBILITY_TIMEOUT_SECONDS"])
    app.conf.broker_transport_options = {**options, **(app.conf.broker_transport_options or {})}

    defaults = {"broker_connection_max_retries": None, "task_send_sent_event": True}
    if "PLATFORM_SOFT_SHUTDOWN_SECONDS" in os.environ:
        defaults["worker_soft_shutdown_timeout"] = float(os.environ["PLATFORM_SOFT_SHUTDOWN_SECONDS"])
    for name, value in defaults.items():
        if not app.conf.value_set_for(name):
            setattr(app.conf, name, value)


class Consuming(bootsteps.StartStopStep):
    """The last step of a consumer that starts, and the first that stops when its connection is lost."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, consumer):
        beat()
        pulse.connected = True
        READY.touch()

    def stop(self, consumer):
        pulse.connected = False
        READY.unlink(missing_ok=True)

    shutdown = stop


class Pulse(threading.Thread):
    """Touches `alive` while the heart beats; a main loop that waits for the broker has no heart, and is not to blame."""

    def __init__(self):
        super().__init__(name="platform-pulse", daemon=True)
        self.connected = False
        self.heart = time.monotonic()

    def run(self):
        while True:
            if not self.connected or time.monotonic() - self.heart < HEART or in_broker():
                ALIVE.touch()
            time.sleep(5)


def in_broker():
    """Whether the main thread is in a command to Redis, or in the pause before the next try: events are tried for ever."""
    frame = sys._current_frames().get(threading.main_thread().ident)
    while frame and frame.f_globals.get("__name__") in ("socket", "ssl"):
        frame = frame.f_back
    return bool(frame) and frame.f_globals.get("__name__", "").startswith(("redis.", "kombu.utils.functional"))


pulse = Pulse()


@signals.heartbeat_sent.connect
def beat(**_):
    pulse.heart = time.monotonic()


@signals.worker_init.connect
def begin(sender, **_):
    """In the parent, before its pool and its consumer are made: the children have no pulse of their own."""
    configure(sender.app)
    # Read from the configuration before this module was loaded.
    if not sender.app.conf.value_set_for("worker_prefetch_multiplier"):
        sender.prefetch_multiplier = 1
    sender.app.steps["consumer"].add(Consuming)
    READY.unlink(missing_ok=True)
    pulse.start()


class Scheduler(PersistentScheduler):
    """Celery's own scheduler on its file, with a pulse."""

    max_interval = 15

    def __init__(self, app, *args, **kwargs):
        configure(app)
        # Written down after each task: a beat that is killed sends none twice.
        kwargs.setdefault("sync_every_tasks", app.conf.beat_sync_every or 1)
        READY.unlink(missing_ok=True)
        super().__init__(app, *args, **kwargs)

    def tick(self, *args, **kwargs):
        beat()
        if not pulse.is_alive():
            pulse.connected = True
            pulse.start()
        delay = super().tick(*args, **kwargs)
        READY.touch()
        return delay
