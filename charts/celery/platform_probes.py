"""What the platform adds to a Celery app from outside: files that its probes look at, and the timing it was promised.

`celery worker --include=platform_probes` and `celery beat --scheduler=platform_probes:Scheduler`. In the folder
PLATFORM_PROBES the file `alive` is touched as long as the process does its work, and `ready` is there while a worker
consumes or beat ticks. Neither depends on the broker being there: a restart would not bring it back.
"""

import logging
import os
import threading
import time
from pathlib import Path

from celery import bootsteps, signals
from celery.beat import PersistentScheduler

FOLDER = Path(os.environ.get("PLATFORM_PROBES", "/run/platform"))
ALIVE, READY = FOLDER / "alive", FOLDER / "ready"
HEART = 30  # seconds without a tick of the worker's heart, which beats every 2, after which its main loop hangs

log = logging.getLogger("celery.platform")


def configure(app):
    """Sets what the platform promised, unless the app has decided itself."""
    # Without them a command waits for ever on a Redis that neither answers nor hangs up, and the heart with it.
    options = {"socket_connect_timeout": 10, "socket_timeout": 15}
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
    """Touches `alive` while the heart beats; without a connection the main loop waits for one, and has no heart."""

    def __init__(self):
        super().__init__(name="platform-pulse", daemon=True)
        self.connected = False
        self.heart = time.monotonic()

    def run(self):
        while True:
            if not self.connected or time.monotonic() - self.heart < HEART:
                ALIVE.touch()
            time.sleep(5)


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

    def _ensure_connected(self):
        def waiting(error, interval):
            ALIVE.touch()
            log.warning("beat: no connection to the broker (%s), next try in %s s", error, interval)

        return self.connection.ensure_connection(waiting, None, interval_max=10)

    def tick(self, *args, **kwargs):
        ALIVE.touch()
        delay = super().tick(*args, **kwargs)
        READY.touch()
        return delay
