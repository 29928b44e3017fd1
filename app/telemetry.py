"""Traces, logs and metrics of a Celery app, by the auto-instrumentation that `opentelemetry-instrument` uses.

`opentelemetry-instrument` starts before Celery forks its processes and sets up logging. The exporters' threads and connections do
not survive a fork, and Celery removes earlier log handlers, so instrumentation starts here after both. Without
OTEL_EXPORTER_OTLP_ENDPOINT it does not start.
"""

import logging
import os
import socket
import threading
import time

from billiard import current_process
from celery import signals
from opentelemetry import _logs, metrics, trace
from opentelemetry.instrumentation.auto_instrumentation import initialize
from opentelemetry.instrumentation.redis import RedisInstrumentor

DEFAULTS = {
    "OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED": "true",
    # Celery's own Redis commands would outnumber the tasks' spans; traced() adds spans to the app's clients.
    "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "redis",
    # Seconds that an unreachable collector may delay the end of a process.
    "OTEL_EXPORTER_OTLP_TIMEOUT": "3",
}


@signals.beat_init.connect
@signals.worker_process_init.connect
def start(**_):
    if not os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or started():
        return
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    # With one instance ID for the whole pool, its processes would overwrite each other's metrics.
    index = getattr(current_process(), "index", None)
    if index is not None:
        pod, attributes = os.environ.get("POD_NAME", socket.gethostname()), os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
        os.environ["OTEL_RESOURCE_ATTRIBUTES"] = f"{attributes},service.instance.id={pod}-{index}".lstrip(",")
    initialize()


def started():
    """Whether this process is instrumented already, for example by `opentelemetry-instrument`."""
    return hasattr(trace.get_tracer_provider(), "force_flush")


@signals.worker_process_shutdown.connect
def flush(**_):
    """Sends what is queued: a process of the pool ends without running exit handlers. A flush may hang, so daemon threads run it."""
    deadline = time.monotonic() + 4
    providers = trace.get_tracer_provider(), metrics.get_meter_provider(), _logs.get_logger_provider()
    threads = [threading.Thread(target=each.force_flush, daemon=True) for each in providers if hasattr(each, "force_flush")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0, deadline - time.monotonic()))


def traced(client):
    """Adds a span to each command of a Redis client, and returns the client."""
    if started() and not RedisInstrumentor().is_instrumented_by_opentelemetry:
        RedisInstrumentor.instrument_client(client)
    return client


def trace_id():
    """Returns the current span's trace ID as Tempo shows it, or None."""
    context = trace.get_current_span().get_span_context()
    return trace.format_trace_id(context.trace_id) if context.is_valid else None


class Formatter(logging.Formatter):
    """Adds the trace ID to each line."""

    def formatMessage(self, record):
        line, current = super().formatMessage(record), trace_id()
        return f"{line} trace_id={current}" if current else line


@signals.after_setup_logger.connect
def show_trace_ids(logger, format, **_):
    for handler in logger.handlers:
        handler.setFormatter(Formatter(format))
