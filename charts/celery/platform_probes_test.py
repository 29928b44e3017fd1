"""platform_probes.py in a real Celery worker and beat, started as the chart starts them, on a real Redis."""

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


def eventually(question, seconds=30):
    end = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)


class Stage:
    """A Redis, an app, and the programs started on them."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "main.py").write_text(APP)
        (folder / "notes").touch()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        (folder / "redis.conf").write_text(f"port {self.port}\nbind 127.0.0.1\nrequirepass {PASSWORD}\ndir {folder}\nappendonly yes\n")
        self.url = f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"
        self.app = Celery("client", broker=self.url, broker_transport_options={"visibility_timeout": 3})
        self.programs, self.redis = [], None

    def start_redis(self):
        self.redis = subprocess.Popen(["redis-server", "redis.conf"], cwd=self.folder, stdout=subprocess.DEVNULL)
        def answers():
            with contextlib.suppress(OSError):
                return socket.create_connection(("127.0.0.1", self.port), 1).close() is None
        eventually(answers)

    def stop_redis(self):
        self.redis.terminate()
        self.redis.wait(10)
        self.redis = None

    def celery(self, name, *arguments, **env):
        probes = self.folder / name
        probes.mkdir(exist_ok=True)
        log = (self.folder / f"{name}.log").open("a")
        environment = {
            **os.environ, "PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1", "PLATFORM_PROBES": str(probes), "NOTES": str(self.folder / "notes"),
            "CELERY_BROKER_URL": self.url, "PLATFORM_SOFT_SHUTDOWN_SECONDS": "4",
            "PLATFORM_VISIBILITY_TIMEOUT_SECONDS": "3", **env,
        }
        program = Program(subprocess.Popen([sys.executable, "-m", "celery", "-A", "main.celery", *arguments], cwd=self.folder, env=environment,
                                           stdout=log, stderr=log, start_new_session=True), probes, self.folder / f"{name}.log")
        self.programs.append(program)
        return program

    def worker(self, name="worker", **env):
        return self.celery(name, "worker", "--loglevel=info", "--include=platform_probes", "--task-events", "--without-gossip", "--without-mingle",
                           "--queues=celery", "--concurrency=2", f"--hostname={name}@%h", **env)

    def beat(self, **env):
        return self.celery("beat", "beat", "--loglevel=info", "--scheduler=platform_probes:Scheduler", f"--schedule={self.folder}/celerybeat-schedule", **env)

    def send(self, text, seconds=0):
        self.app.send_task("main.note", [text, seconds])

    def notes(self):
        return (self.folder / "notes").read_text().splitlines()

    def noted(self, line, seconds=30):
        eventually(lambda: line in self.notes(), seconds)

    def close(self):
        for program in self.programs:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(program.process.pid, signal.SIGKILL)
            program.process.wait()
        if self.redis:
            self.stop_redis()


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

    def stays_alive(self, seconds):
        """The longest age of the file in that time."""
        end, worst = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            worst = max(worst, self.age())
            time.sleep(0.2)
        return worst


@pytest.fixture
def stage(tmp_path):
    stage = Stage(tmp_path)
    yield stage
    stage.close()


@pytest.fixture
def running(stage):
    stage.start_redis()
    return stage


def test_a_worker_is_ready_once_it_consumes_and_alive_while_every_child_is_busy(running):
    worker = running.worker().wait_ready()
    for text in ("a", "b"):
        running.send(text, 12)
    running.noted("start a")
    running.noted("start b")
    assert worker.stays_alive(10) < 8
    assert "end a" not in running.notes()


def test_a_stopped_parent_goes_stale(running):
    worker = running.worker().wait_ready()
    os.kill(worker.process.pid, signal.SIGSTOP)
    eventually(lambda: worker.age() > 9, 15)
    os.kill(worker.process.pid, signal.SIGCONT)
    eventually(lambda: worker.age() < 6)


def test_a_main_loop_that_hangs_goes_stale(running):
    hang = "from celery.signals import heartbeat_sent\n@heartbeat_sent.connect\ndef hang(**_):\n  os.path.exists('hang') and time.sleep(600)"
    worker = running.worker(EXTRA=hang).wait_ready()
    (running.folder / "hang").touch()
    eventually(lambda: worker.age() > 12, 60)


def test_an_outage_of_redis_takes_ready_away_and_leaves_alive(running):
    worker = running.worker().wait_ready()
    running.stop_redis()
    eventually(lambda: not worker.ready(), 40)
    # Longer than a heart that stopped would be forgiven.
    assert worker.stays_alive(36) < 8
    running.start_redis()
    eventually(worker.ready, 60)
    running.send("after")
    running.noted("end after")
    assert worker.stays_alive(8) < 8


def test_a_redis_that_neither_answers_nor_hangs_up_leaves_alive(running):
    worker = running.worker().wait_ready()
    running.redis.send_signal(signal.SIGSTOP)
    # Longer than a heart that stopped would be forgiven.
    assert worker.stays_alive(60) < 8
    assert not worker.ready()
    running.redis.send_signal(signal.SIGCONT)
    eventually(worker.ready, 60)
    running.send("after")
    running.noted("end after")


def test_a_worker_that_starts_before_redis_is_alive_and_waits(stage):
    worker = stage.worker()
    eventually(lambda: (worker.probes / "alive").exists())
    assert worker.stays_alive(8) < 8
    assert not worker.ready()
    stage.start_redis()
    worker.wait_ready()


def test_what_a_former_container_left_is_not_readiness(stage):
    (stage.folder / "worker").mkdir()
    (stage.folder / "worker/ready").touch()
    worker = stage.worker()
    eventually(lambda: not worker.ready())


@pytest.mark.parametrize(("decide", "decided"), [
    ("", "3 None 15"),
    ("celery.conf.update(broker_connection_max_retries=7, broker_transport_options={'visibility_timeout': 99})", "99 7 15"),
    # As Django does.
    ("celery.config_from_object({'APP_BROKER_CONNECTION_MAX_RETRIES': 7, 'APP_BROKER_TRANSPORT_OPTIONS': {'visibility_timeout': 99}}, namespace='APP')", "99 7 15"),
    ("celery.config_from_object({'APP_TIMEZONE': 'UTC'}, namespace='APP')", "3 None 15"),
])
def test_the_app_decides_before_the_platform(running, decide, decided):
    show = """
from celery.signals import worker_ready
@worker_ready.connect
def show(sender, **_):
    c, o = sender.app.conf, sender.app.conf.broker_transport_options
    print(f"DECIDED {o['visibility_timeout']} {c.broker_connection_max_retries} {o['socket_timeout']}")
"""
    worker = running.worker(EXTRA=show + decide)
    eventually(lambda: f"DECIDED {decided}" in worker.log.read_text())


def test_sigterm_waits_no_longer_than_the_tasks_run(running):
    worker = running.worker(PLATFORM_SOFT_SHUTDOWN_SECONDS="60").wait_ready()
    running.send("short", 3)
    running.noted("start short")
    worker.process.terminate()
    eventually(lambda: not worker.ready(), 2)
    assert worker.process.wait(15) == 0
    assert "end short" in running.notes()


def test_sigterm_lets_a_short_task_end_and_gives_a_long_one_back(running):
    worker = running.worker(PLATFORM_VISIBILITY_TIMEOUT_SECONDS="3600").wait_ready()
    running.send("short", 2)
    running.send("long", 8)
    running.noted("start short")
    running.noted("start long")
    worker.process.terminate()
    worker.process.wait(15)
    assert "end short" in running.notes()
    assert "end long" not in running.notes()
    assert not worker.ready()
    running.worker("next", PLATFORM_VISIBILITY_TIMEOUT_SECONDS="3600").wait_ready()
    running.noted("end long")
    assert running.notes().count("start short") == 1


def test_a_task_of_a_killed_worker_is_done_by_another(running):
    worker = running.worker().wait_ready()
    running.send("killed", 3)
    running.noted("start killed")
    os.killpg(worker.process.pid, signal.SIGKILL)
    # By itself a worker looks for abandoned tasks every 100 s.
    running.worker("next", EXTRA="celery.conf.broker_transport_options = {'unacked_restore_throttle': 1}").wait_ready()
    running.noted("end killed", 60)


def test_beat_ticks_and_outlives_an_outage_at_start_and_later(stage):
    beat = stage.beat()
    eventually(lambda: (beat.probes / "alive").exists())
    assert beat.stays_alive(20) < 15
    stage.start_redis()
    eventually(lambda: "Sending due task tick" in beat.log.read_text())
    eventually(beat.ready)
    stage.stop_redis()
    assert beat.stays_alive(20) < 15
    stage.start_redis()
    stage.worker().wait_ready()
    stage.noted("end tick")
    assert beat.process.poll() is None


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_beat_sends_nothing_twice_across_a_restart(running, how):
    beat = running.beat(EXTRA="celery.conf.beat_schedule['tick']['schedule'] = 8.0")
    eventually(lambda: "Sending due task tick" in beat.log.read_text())
    time.sleep(1)
    beat.process.send_signal(how)
    beat.process.wait(10)
    assert list(running.folder.glob("celerybeat-schedule*"))
    beat = running.beat(EXTRA="celery.conf.beat_schedule['tick']['schedule'] = 8.0")
    sent = lambda: [float(h) * 3600 + float(m) * 60 + float(s.replace(",", ".")) for h, m, s in
                    re.findall(r"(\d\d):(\d\d):(\d\d,\d+): INFO/MainProcess\] Scheduler: Sending due task tick", beat.log.read_text())]
    eventually(lambda: len(sent()) >= 2)
    assert sent()[1] - sent()[0] > 7


def test_a_beat_that_is_killed_the_moment_it_has_sent_does_not_send_again(running):
    """Kills itself between what is sent and whatever comes after."""
    kill = "from celery.signals import after_task_publish\n@after_task_publish.connect\ndef die(**_):\n  os.kill(os.getpid(), 9)\n"
    slowly = "celery.conf.beat_schedule['tick']['schedule'] = 8.0\n"
    assert running.beat(EXTRA=slowly + kill).process.wait(30) == -signal.SIGKILL
    beat = running.beat(EXTRA=slowly)
    eventually(beat.ready)
    time.sleep(4)
    assert beat.log.read_text().count("Sending due task tick") == 1
