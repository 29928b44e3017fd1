"""Grafana: its login, its data sources and its proxy."""

import json
from concurrent.futures import Future

from .check import Failed, basic_auth, logs

LOCKOUT = "five wrong logins within five minutes lock admin out for five minutes"


class Grafana:
    def __init__(self, settings, telemetry):
        self.settings, self.telemetry = settings, telemetry
        self.sources = f"{settings.grafana_url}/api/datasources"
        self.admin = basic_auth("admin", settings.grafana_password)
        # Set once the password was accepted: checks that retried a wrong one would lock admin out.
        self.logged_in = Future()

    def checks(self):
        yield "Grafana accepts the generated admin password and no other login", self.accepts_one_login, logs("grafana")
        yield "every data source of Grafana is healthy", self.sources_are_healthy, logs("grafana")
        yield "Grafana's proxy returns the trace", self.proxies_trace, logs("grafana")

    def accepts_one_login(self, check):
        """Makes no failed login as admin, which would count towards its lockout. Grafana does not count those of unknown users."""
        try:
            check.expect_refusal("GET", self.sources)
            check.expect_refusal("GET", self.sources, basic_auth(f"smoke-{self.settings.run}", self.settings.run))
            status, text = check.call("GET", self.sources, self.admin)
            if "login-attempt.blocked" in text:
                raise Failed(f"admin is locked out: {LOCKOUT}")
            if status != 200:
                raise Failed(
                    f"the Secret's password returned {status}. Grafana applies the Secret only when it first creates its database; "
                    f"it also refuses a locked-out admin: {LOCKOUT}"
                )
            # A user has one password. If the Secret's is accepted and is not `admin`, Grafana's default is refused.
            if self.settings.grafana_password == "admin":
                raise Failed("the Secret's password is admin, Grafana's default")
        except Exception as error:
            self.logged_in.set_exception(error)
            raise
        self.logged_in.set_result(None)

    def sources_are_healthy(self, check):
        self.logged_in.result()
        uids = {source["uid"] for source in check.get(self.sources, self.admin)}
        missing = {"tempo", "prometheus", "loki"} - uids
        if missing:
            raise Failed(f"no data source {', '.join(sorted(missing))}")
        check.record_standins(self.telemetry.tempo_ready, self.telemetry.loki_ready)
        for uid in sorted(uids):
            check.until(lambda uid=uid: self.test_source(check, uid))
        return ", ".join(sorted(uids))

    def test_source(self, check, uid):
        """Makes Grafana test a data source. It tests Tempo with a streaming search: gRPC on the port of Tempo's HTTP API."""
        status, text = check.call("GET", f"{self.sources}/uid/{uid}/health", self.admin, timeout=check.timeouts.datasource)
        try:
            message = json.loads(text)["message"]
        except (ValueError, LookupError, TypeError):
            message = text.strip()
        if status != 200:
            raise Failed(f"{uid} returned {status}: {message[:120]}")

    def proxies_trace(self, check):
        self.logged_in.result()
        check.record_standins(self.telemetry.tempo_ready)
        return self.telemetry.find_trace(check, f"{self.sources}/proxy/uid/tempo", self.admin)
