"""What conformance does not ask of platform_probes.py. Real workers and beats, started as the charts start them, on a real Redis."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from celery import Celery

HERE = Path(__file__).parent
PASSWORD = "Pa55-word"
APP = """
import os, time
from celery import Celery
celery = Celery("main")
celery.conf.beat_schedule = {"tick": {"task": "main.note", "schedule": 2.0, "args": ["tick"]}}
exec(os.environ.get("EXTRA", ""))

@celery.task(name="main.note", acks_late=True)
def note(text, seconds=0):
    with open(os.environ["NOTES"], "a") as notes:
        notes.write(f"start {text}\\n"); notes.flush()
        time.sleep(seconds)
        notes.write(f"end {text}\\n")
"""
EVERY_8_SECONDS = "celery.conf.beat_schedule['tick']['schedule'] = 8.0\n"
SENT = "Sending due task tick"


def eventually(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


class Program:
    def __init__(self, process, probes, log):
        self.process, self.probes, self.log = process, probes, log

    def age(self):
        return time.time() - (self.probes / "alive").stat().st_mtime

    def ready(self):
        return (self.probes / "ready").exists()

    def wait_ready(self):
        eventually(self.ready)
        return self

    def oldest(self, seconds):
        """The highest age of the file `alive` within that time."""
        deadline, oldest = time.monotonic() + seconds, 0
        while time.monotonic() < deadline:
            oldest = max(oldest, self.age())
            time.sleep(0.2)
        return oldest


class Stage:
    """A Redis, an app, and the programs started with them."""

    def __init__(self, folder):
        self.folder, self.programs, self.redis = folder, [], None
        (folder / "main.py").write_text(APP)
        (folder / "notes").touch()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        (folder / "redis.conf").write_text(f"port {self.port}\nbind 127.0.0.1\nrequirepass {PASSWORD}\ndir {folder}\n")
        self.url = f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"
        self.app = Celery("client", broker=self.url, set_as_current=False)

    def start_redis(self):
        self.redis = subprocess.Popen(["redis-server", "redis.conf"], cwd=self.folder, stdout=subprocess.DEVNULL)

        def accepts():
            with contextlib.suppress(OSError):
                return socket.create_connection(("127.0.0.1", self.port), 1).close() is None

        eventually(accepts)

    def celery(self, name, *arguments, **env):
        probes, log = self.folder / name, self.folder / f"{name}.log"
        probes.mkdir(exist_ok=True)
        env = {
            **os.environ, "PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1", "PLATFORM_PROBES": str(probes),
            "NOTES": str(self.folder / "notes"), "CELERY_BROKER_URL": self.url, "PLATFORM_SOFT_SHUTDOWN_SECONDS": "60",
            "PLATFORM_VISIBILITY_TIMEOUT_SECONDS": "3", **env,
        }
        command = [sys.executable, "-m", "celery", "-A", "main.celery", *arguments]
        with log.open("a") as output:
            process = subprocess.Popen(command, cwd=self.folder, env=env, stdout=output, stderr=output, start_new_session=True)
        self.programs.append(Program(process, probes, log))
        return self.programs[-1]

    def worker(self, **env):
        return self.celery("worker", "worker", "--loglevel=info", "--include=platform_probes", "--task-events", "--without-gossip", "--without-mingle",
                           "--queues=celery", "--concurrency=2", **env)

    def beat(self, **env):
        return self.celery("beat", "beat", "--loglevel=info", "--scheduler=platform_probes:Scheduler", f"--schedule={self.folder}/schedule", **env)

    def send(self, text, seconds=0):
        self.app.send_task("main.note", [text, seconds])

    def notes(self):
        return (self.folder / "notes").read_text().splitlines()

    def close(self):
        for program in self.programs:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(program.process.pid, signal.SIGKILL)
            program.process.wait()
        if self.redis:
            self.redis.kill()
            self.redis.wait()


@pytest.fixture
def stage(tmp_path):
    stage = Stage(tmp_path)
    yield stage
    stage.close()


@pytest.fixture
def running(stage):
    stage.start_redis()
    return stage


def test_a_main_loop_that_hangs_stops_touching_the_file(running):
    hang = "from celery.signals import heartbeat_sent\n@heartbeat_sent.connect\ndef hang(**_):\n  os.path.exists('hang') and time.sleep(600)"
    worker = running.worker(EXTRA=hang).wait_ready()
    (running.folder / "hang").touch()
    eventually(lambda: worker.age() > 12, 60)


def test_a_worker_outlives_a_redis_that_accepts_connections_and_does_not_answer(running):
    worker = running.worker().wait_ready()
    running.redis.send_signal(signal.SIGSTOP)
    # Longer than a main loop that hangs would be tolerated.
    assert worker.oldest(60) < 8
    assert not worker.ready()
    running.redis.send_signal(signal.SIGCONT)
    eventually(worker.ready, 60)
    running.send("after")
    eventually(lambda: "end after" in running.notes())


def test_a_file_of_the_previous_container_does_not_make_a_worker_ready(stage):
    (stage.folder / "worker").mkdir()
    (stage.folder / "worker/ready").touch()
    worker = stage.worker()
    eventually(lambda: not worker.ready())


@pytest.mark.parametrize(("own", "effective"), [
    ("", "3 None 15"),
    ("celery.conf.update(broker_connection_max_retries=7, broker_transport_options={'visibility_timeout': 99})", "99 7 15"),
    # As Django does.
    ("celery.config_from_object({'APP_BROKER_CONNECTION_MAX_RETRIES': 7, 'APP_BROKER_TRANSPORT_OPTIONS': {'visibility_timeout': 99}}, namespace='APP')", "99 7 15"),
    ("celery.config_from_object({'APP_TIMEZONE': 'UTC'}, namespace='APP')", "3 None 15"),
])
def test_the_app_s_own_settings_override_the_platform_s(running, own, effective):
    show = """
from celery.signals import worker_ready
@worker_ready.connect
def show(sender, **_):
    c, o = sender.app.conf, sender.app.conf.broker_transport_options
    print(f"EFFECTIVE {o['visibility_timeout']} {c.broker_connection_max_retries} {o['socket_timeout']}")
"""
    worker = running.worker(EXTRA=show + own)
    eventually(lambda: f"EFFECTIVE {effective}" in worker.log.read_text())


def test_sigterm_waits_no_longer_than_the_tasks_run(running):
    worker = running.worker().wait_ready()
    running.send("short", 3)
    eventually(lambda: "start short" in running.notes())
    worker.process.terminate()
    eventually(lambda: not worker.ready(), 2)
    assert worker.process.wait(15) == 0
    assert running.notes() == ["start short", "end short"]
    with running.app.connection() as connection:
        assert not connection.default_channel.client.keys("unacked*"), "the task would run again"


def test_a_beat_that_starts_before_redis_is_alive_and_sends_later(stage):
    beat = stage.beat()
    eventually(lambda: (beat.probes / "alive").exists())
    assert beat.oldest(20) < 15
    stage.start_redis()
    eventually(lambda: SENT in beat.log.read_text())
    eventually(beat.ready)


def test_beat_sends_nothing_twice_after_sigterm(running):
    beat = running.beat(EXTRA=EVERY_8_SECONDS)
    eventually(lambda: SENT in beat.log.read_text())
    beat.process.terminate()
    beat.process.wait(10)
    beat = running.beat(EXTRA=EVERY_8_SECONDS)

    def sent():
        times = re.findall(rf"(\d\d):(\d\d):(\d\d,\d+): INFO/MainProcess\] Scheduler: {SENT}", beat.log.read_text())
        return [int(hours) * 3600 + int(minutes) * 60 + float(seconds.replace(",", ".")) for hours, minutes, seconds in times]

    eventually(lambda: len(sent()) >= 2)
    assert sent()[1] - sent()[0] > 7


def test_a_beat_killed_right_after_it_sent_a_task_does_not_send_it_again(running):
    kill = "from celery.signals import after_task_publish\n@after_task_publish.connect\ndef die(**_):\n  os.kill(os.getpid(), 9)\n"
    assert running.beat(EXTRA=EVERY_8_SECONDS + kill).process.wait(30) == -signal.SIGKILL
    beat = running.beat(EXTRA=EVERY_8_SECONDS)
    eventually(beat.ready)
    time.sleep(4)
    assert beat.log.read_text().count(SENT) == 1
