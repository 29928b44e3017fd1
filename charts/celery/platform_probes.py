"""What the platform adds to a Celery app from outside: files that its probes look at, and the timing it was promised.

`celery worker --include=platform_probes` and `celery beat --scheduler=platform_probes:Scheduler`. In the folder
PLATFORM_PROBES the file `alive` is touched as long as the program does its work or waits for its broker, which a restart
would not bring back; `ready` is there while a worker consumes, or beat ticks.
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
TURN = 15  # seconds: beat's loop turns at least so often, a worker's heart beats every 2
HANG = 2 * TURN


def configure(app):
    """Sets what the platform promised, unless the app has decided itself."""
    # Celery's own defaults are the last of the maps: whatever the app has set, and however, stands before them.
    app.conf.maps[-1].update(broker_connection_max_retries=None, task_send_sent_event=True)
    # Without a time-out a command waits for ever on a Redis that neither answers nor hangs up.
    options = {"socket_connect_timeout": 5, "socket_timeout": 15}
    if "PLATFORM_VISIBILITY_TIMEOUT_SECONDS" in os.environ:
        options["visibility_timeout"] = int(os.environ["PLATFORM_VISIBILITY_TIMEOUT_SECONDS"])
    # In place: an app that reads its settings with a prefix would not see what is assigned.
    for name, value in options.items():
        app.conf.broker_transport_options.setdefault(name, value)


class Pulse(threading.Thread):
    """Writes the files. A fork takes no threads along: children have no pulse."""

    def __init__(self):
        super().__init__(name="platform-pulse", daemon=True)
        self.working = self.leaving = False
        self.turned = time.monotonic()

    def run(self):
        while True:
            self.write()
            time.sleep(2)

    def write(self):
        turns = time.monotonic() - self.turned < HANG
        if turns or self.leaving or in_broker():
            ALIVE.touch()
        if turns and self.working and not self.leaving:
            READY.touch()
        else:
            READY.unlink(missing_ok=True)

    def turn(self, **_):
        self.turned = time.monotonic()

    def work(self, working):
        self.turn()
        self.working = working
        self.write()

    def leave(self):
        self.leaving = True
        self.write()


def in_broker():
    """Whether the main thread is in a command to Redis, or in the pause before the next try: a lost one is tried for ever."""
    frame = sys._current_frames().get(threading.main_thread().ident)
    while frame and frame.f_globals.get("__name__") in ("socket", "ssl"):
        frame = frame.f_back
    return bool(frame) and frame.f_globals.get("__name__", "").startswith(("redis.", "kombu.utils.functional"))


pulse = Pulse()
signals.heartbeat_sent.connect(pulse.turn)


class Consuming(bootsteps.StartStopStep):
    """The last step of a consumer that starts, and the first that stops when its connection is lost."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, consumer):
        pulse.work(True)

    def stop(self, consumer):
        pulse.work(False)

    shutdown = stop


@signals.worker_init.connect
def begin(sender, **_):
    """In the parent, before its pool and its consumer are made."""
    configure(sender.app)
    sender.app.steps["consumer"].add(Consuming)
    pulse.start()


@signals.worker_shutting_down.connect
def end(how, **_):
    """SIGTERM waits for the running tasks; what still runs after the promised time goes back to the queue."""
    pulse.leave()
    seconds = os.environ.get("PLATFORM_SOFT_SHUTDOWN_SECONDS")
    # Celery's own soft shutdown sleeps the whole time, however short the tasks are.
    if how == "Warm" and seconds:
        timer = threading.Timer(float(seconds), os.kill, (os.getpid(), signal.SIGQUIT))
        timer.daemon = True
        timer.start()


class Scheduler(PersistentScheduler):
    """Celery's own scheduler on its file, written down before each task is sent: a beat that is killed sends none twice."""

    def __init__(self, app, *args, **kwargs):
        configure(app)
        super().__init__(app, *args, **kwargs)
        self.max_interval = min(self.max_interval, TURN)

    def reserve(self, entry):
        reserved = super().reserve(entry)
        self.sync()
        return reserved

    def tick(self, *args, **kwargs):
        pulse.turn()
        delay = super().tick(*args, **kwargs)
        pulse.work(True)
        return delay


@signals.beat_init.connect
def begin_beat(**_):
    pulse.start()
