"""Runs every check, then removes what the checks wrote."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial

from . import dns
from .arangodb import ArangoDB
from .check import Failed, Report, logs
from .consul import Consul
from .grafana import Grafana
from .redis import RedisServers
from .settings import Settings
from .tasks import Note, Tasks
from .telemetry import Telemetry


class Stopped(BaseException):
    """Raised by SIGTERM."""


class Run:
    def __init__(self, settings):
        self.settings, self.report = settings, Report(settings)
        note = Note(settings)
        telemetry = Telemetry(settings, note)
        self.tasks, arangodb, consul = Tasks(settings, note, telemetry), ArangoDB(settings, note), Consul(settings)
        self.services = [self.tasks, arangodb, telemetry, Grafana(settings, telemetry), consul, RedisServers(settings)]
        self.written_to = [self.tasks, arangodb, consul]

    def checks(self):
        # Runs first: when names do not resolve, every other check fails without showing why.
        resolve = partial(dns.resolve_services, self.settings.services)
        self.report.run(
            "DNS resolves every Service of the manifests",
            lambda check: check.until(resolve),
            "get services,endpointslices",
            self.settings.timeouts.names,
        )
        checks = [each for service in self.services for each in service.checks()]
        pool = ThreadPoolExecutor(len(checks) + 1)
        running = {pool.submit(self.tasks.run, self.report): "the tasks"}
        running.update({pool.submit(self.report.run, *each): each[0] for each in checks})
        self.report.run("every check ends in time", lambda _: self.wait_for(running), logs("smoke"))

    def wait_for(self, running):
        seconds = self.settings.timeouts.task + self.settings.timeouts.telemetry
        done, late = wait(running, seconds)
        if late:
            raise Failed(f"still running after {seconds} s: {'; '.join(running[each] for each in late)}")
        for each in done:
            # Raises an error that no check has reported.
            each.result()

    def clean_up(self):
        self.report.run("smoke leaves nothing behind", self.remove_all, logs("smoke"))

    def remove_all(self, check):
        """Removes everything but telemetry, which its stores delete after their retention."""
        left = []
        for service in self.written_to:
            for name, remove in service.cleanups(check):
                try:
                    remove()
                except Exception as error:
                    left.append(f"{name}: {error}")
        if left:
            raise Failed("; ".join(left))


def stop(*_):
    raise Stopped


def main():
    signal.signal(signal.SIGTERM, stop)
    run = Run(Settings(os.environ))
    stopped = False
    try:
        run.checks()
    except Stopped:
        stopped = True
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    run.clean_up()
    run.report.finish()
    # Ends without waiting for the threads of checks that hang.
    os._exit(1 if stopped or run.report.totals["failed"] else 0)
