"""The task's telemetry: its trace in Tempo, its metrics in Prometheus, its log line in Loki."""

import time
from urllib.parse import urlencode, urlsplit

from . import tracing
from .check import Failed, Skipped, logs

NOT_TRACED = "the app's image has no OpenTelemetry, so the sending side has no span"


class Telemetry:
    def __init__(self, settings, note, traced=tracing.AVAILABLE):
        self.settings, self.note, self.traced = settings, note, traced
        self.tempo_ready, self.loki_ready = f"{settings.tempo_url}/ready", f"{settings.loki_url}/ready"
        self.spans = {"producer": (settings.name, "apply_async/main.note"), "worker": (settings.app, "run/main.note")}
        # A new series for each run: an older one may hold a former run's count, or restart with Tempo.
        self.root_span = f"smoke {settings.run[:8]}"
        service, name = self.spans["worker"]
        self.root_calls = calls(settings.name, self.root_span)
        self.worker_calls = calls(service, name)
        self.edge = f'traces_service_graph_request_total{{client="{settings.name}",server="{settings.app}"}}'
        self.before = {}

    def checks(self):
        name, app, prometheus = self.settings.name, self.settings.app, urlsplit(self.settings.prometheus_url)
        yield (
            "the task's trace is in Tempo, with the spans of producer and worker",
            lambda check: self.find_trace(check, self.settings.tempo_url),
            logs("otel-collector"),
        )
        yield "the task's span metrics are in Prometheus", self.has_span_metrics, logs("tempo")
        yield "an exemplar of the span metrics leads to a trace", self.has_exemplar, logs("tempo")
        yield f"the service graph has the edge from {name} to {app}", self.has_edge, logs("tempo")
        yield "the task's log line is in Loki, with its trace ID", self.has_log_line, logs("otel-collector")
        yield "Prometheus finds every target up", self.targets_are_up, f"port-forward service/{prometheus.hostname} {prometheus.port}"

    def read_counters(self, check):
        """Records the counters before the task is sent."""
        for query in (self.worker_calls, self.edge):
            try:
                self.before[query] = self.total(check, query)
            except Failed:
                self.before[query] = None

    def find_trace(self, check, url, headers=None):
        """Waits until a Tempo API returns the task's trace with the spans of both sides."""
        trace_id = self.note.trace_id(check)
        expected = self.spans if self.traced else {"worker": self.spans["worker"]}

        def question():
            found = set(spans_of(check.get(f"{url}/api/v2/traces/{trace_id}", headers)))
            missing = [f"{side} ({' '.join(span)})" for side, span in expected.items() if span not in found]
            if missing:
                raise Failed(f"trace {trace_id} lacks the span of the {' and the '.join(missing)}")
            return f"{len(found)} spans"

        detail = check.until(question)
        if not self.traced:
            raise Skipped(f"the worker's span is there; {NOT_TRACED}")
        return detail

    def has_span_metrics(self, check):
        self.note.trace_id(check)
        check.record_standins(self.tempo_ready)

        def question():
            for query in (self.root_calls, self.worker_calls):
                if not self.total(check, query):
                    raise Failed(f"{query} has no value")

        check.until(question if self.traced else lambda: self.expect_growth(check, self.worker_calls))

    def has_exemplar(self, check):
        trace_id = self.note.trace_id(check)
        check.record_standins(self.tempo_ready)
        # Without a root span there are only those of the app's tasks, in whichever trace.
        whose = f'service="{self.settings.name}",span_name="{self.root_span}"' if self.traced else f'service="{self.settings.app}"'
        selector = f"traces_spanmetrics_latency_bucket{{{whose}}}"

        def question():
            now = time.time()
            query = urlencode({"query": selector, "start": now - 600, "end": now + 60})
            series = check.get(f"{self.settings.prometheus_url}/api/v1/query_exemplars?{query}")["data"]
            exemplars = [exemplar for each in series for exemplar in each["exemplars"]]
            if not exemplars:
                raise Failed(f"{selector} has no exemplar")
            labels = max(exemplars, key=lambda exemplar: float(exemplar["timestamp"]))["labels"]
            found = labels.get("traceID") or labels.get("trace_id") or ""
            # Tempo omits leading zeros.
            if self.traced and found.zfill(32) != trace_id:
                raise Failed(f"the exemplar of {selector} leads to trace {found or '(none)'}, not to the task's, {trace_id}")
            if not list(spans_of(check.get(f"{self.settings.tempo_url}/api/v2/traces/{found}"))):
                raise Failed(f"trace {found} of an exemplar is empty")
            return f"trace {found}"

        return check.until(question)

    def has_edge(self, check):
        self.note.trace_id(check)
        if not self.traced:
            raise Skipped(NOT_TRACED)
        check.record_standins(self.tempo_ready)
        check.until(lambda: self.expect_growth(check, self.edge))

    def has_log_line(self, check):
        trace_id, app = self.note.trace_id(check), self.settings.app
        selector = f'{{service_name="{app}"}} | trace_id="{trace_id}"'
        query = urlencode({"query": selector, "start": int((time.time() - 600) * 1e9), "limit": 20})

        def question():
            streams = check.get(f"{self.settings.loki_url}/loki/api/v1/query_range?{query}")["data"]["result"]
            lines = [line for stream in streams for _, line, *_ in stream["values"]]
            if not any(self.note.key in line for line in lines):
                raise Failed(f"{len(lines)} log lines of {app} have the trace ID {trace_id}, and none mentions the note {self.note.key}")

        check.until(question)

    def targets_are_up(self, check):
        def question():
            targets = check.get(f"{self.settings.prometheus_url}/api/v1/targets?state=active")["data"]["activeTargets"]
            down = [target for target in targets if target["health"] != "up"]
            failures = [f"{each['labels']['job']} is {each['health']} ({each['lastError'] or 'not scraped yet'})" for each in down]
            if failures or not targets:
                raise Failed("; ".join(failures) or "Prometheus has no target")
            return f"{len(targets)} targets"

        detail = check.until(question)
        # Stand-ins export a metric with `standin` in its name.
        check.standins.update(each["metric"]["job"] for each in self.query(check, 'count by (job) ({__name__=~".*standin.*"})'))
        return detail

    def query(self, check, query):
        """The current result of a PromQL query."""
        return check.get(f"{self.settings.prometheus_url}/api/v1/query?{urlencode({'query': query})}")["data"]["result"]

    def total(self, check, query):
        """The sum of a query, or None when it has no series."""
        result = self.query(check, f"sum({query})")
        return float(result[0]["value"][1]) if result else None

    def expect_growth(self, check, query):
        """Fails unless a counter has grown since the task was sent. A new one may begin at zero."""
        now = self.total(check, query)
        if not now or now == self.before[query]:
            raise Failed(f"{query} {'has no value' if now is None else f'is still {now:g}'}")


def calls(service, span_name):
    return f'traces_spanmetrics_calls_total{{service="{service}",span_name="{span_name}"}}'


def spans_of(response):
    """The service and the name of each span in a response of Tempo. A stand-in does not nest them."""
    trace = response.get("trace", response) or {}
    for batch in trace.get("resourceSpans") or trace.get("batches") or []:
        if "scopeSpans" not in batch:
            yield batch["resource"].get("service.name"), batch["name"]
            continue
        attributes = {each["key"]: each["value"].get("stringValue") for each in batch["resource"]["attributes"]}
        for scope in batch["scopeSpans"]:
            for span in scope["spans"]:
                yield attributes.get("service.name"), span["name"]
