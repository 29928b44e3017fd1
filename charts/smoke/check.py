"""Runs one check: its deadline, its HTTP requests and its line in the report."""

import base64
import http.client
import json
import threading
import time
import urllib.error
import urllib.request
from collections import Counter


class Failed(Exception):
    """The platform did not behave as promised. The message describes what it did instead."""


class Skipped(Exception):
    """The check does not apply to this platform. The message gives the reason."""


class Check:
    """A running check. Requests are made through it, so that it records the stand-ins that answered."""

    def __init__(self, timeouts, seconds):
        self.timeouts, self.seconds, self.standins = timeouts, seconds, set()
        self.restart_clock()

    def restart_clock(self):
        self.deadline = time.monotonic() + self.seconds

    def until(self, question):
        """Repeats a question until it succeeds, and returns its answer. At the deadline, raises its last failure."""
        while True:
            try:
                return question()
            except Failed:
                if time.monotonic() > self.deadline:
                    raise
            time.sleep(0.5)

    def call(self, method, url, headers=None, body=None, timeout=None):
        """Returns the status and the text of one request."""
        request = urllib.request.Request(url, body, {"Accept": "application/json", **(headers or {})}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout or self.timeouts.request) as response:
                status, text, received = response.status, response.read().decode(), response.headers
        except urllib.error.HTTPError as error:
            status, text, received = error.code, error.read().decode(errors="replace"), error.headers
        except (OSError, http.client.HTTPException) as error:
            raise Failed(f"{method} {url} got no response: {getattr(error, 'reason', error)}") from None
        if received.get("X-Standin"):
            self.standins.add(received["X-Standin"].removesuffix("-standin"))
        return status, text

    def get(self, url, headers=None):
        """Returns the JSON at a URL."""
        status, text = self.call("GET", url, headers)
        try:
            if status == 200:
                return json.loads(text)
        except ValueError:
            pass
        raise Failed(f"GET {url} returned {status}: {text.strip()[:120]}")

    def expect_refusal(self, method, url, headers=None, body=None):
        status, _ = self.call(method, url, headers, body)
        if status not in (401, 403):
            raise Failed(f"{method} {url} returned {status} instead of 401 or 403")

    def delete(self, url, headers):
        status, _ = self.call("DELETE", url, headers)
        if status not in (200, 202, 404):
            raise Failed(f"DELETE {url} returned {status}")

    def record_standins(self, *urls):
        """Records stand-ins among servers that the checked one depends on."""
        for url in urls:
            try:
                # ArangoDB and Loki reject HEAD.
                self.call("GET", url)
            except Failed:
                pass


class Report:
    """Prints a line for each check, and the totals."""

    def __init__(self, settings):
        self.settings, self.totals, self.lock = settings, Counter(), threading.Lock()

    def run(self, name, question, command, seconds=None):
        """Runs a check: `question` gets a Check and returns a detail to print. `command` is a kubectl command that shows more."""
        start = time.monotonic()
        check = Check(self.settings.timeouts, seconds or self.settings.timeouts.telemetry)
        try:
            state, detail = "ok", question(check) or ""
        except Skipped as reason:
            state, detail = "skipped", str(reason)
        except Failed as failure:
            state, detail = "failed", str(failure)
        except Exception as error:
            state, detail = "failed", f"{type(error).__name__}: {' '.join(str(error).split())}"
        for secret in self.settings.secrets:
            detail = detail.replace(secret, "…")
        line = {"name": name, "state": state, "seconds": round(time.monotonic() - start, 1), "detail": detail}
        if state != "ok":
            line["command"] = f"kubectl --namespace {self.settings.namespace} {command}"
        with self.lock:
            self.totals[state] += 1
            print(json.dumps({**line, "standins": sorted(check.standins)}, ensure_ascii=False), flush=True)

    def finish(self):
        """Prints the last line: how many checks ended in each state."""
        with self.lock:
            print(json.dumps({"totals": {state: self.totals[state] for state in ("ok", "failed", "skipped")}}), flush=True)


def basic_auth(user, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def logs(name):
    """The kubectl command that shows a component's latest log lines."""
    return f"logs --selector=app.kubernetes.io/name={name} --tail=50 --prefix"
