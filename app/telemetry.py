"""Traces, logs and metrics of a Celery app, by the same auto-instrumentation that `opentelemetry-instrument` starts.

It starts here once a process has been forked, since the exporters' threads and channels do not outlive a fork, and once
Celery has set up logging, which throws out handlers that were there before. Without OTEL_EXPORTER_OTLP_ENDPOINT nothing starts.
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
    # Celery's own commands would drown the tasks: a client that is worth spans gets them by traced().
    "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "redis",
    # Seconds: what a collector that is away may cost a process that ends.
    "OTEL_EXPORTER_OTLP_TIMEOUT": "3",
}


@signals.beat_init.connect
@signals.worker_process_init.connect
def begin(**_):
    if not os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or started():
        return
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    # Each process counts for itself: under one name they would overwrite one another's metrics.
    index = getattr(current_process(), "index", None)
    if index is not None:
        pod, attributes = os.environ.get("POD_NAME", socket.gethostname()), os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
        os.environ["OTEL_RESOURCE_ATTRIBUTES"] = f"{attributes},service.instance.id={pod}-{index}".lstrip(",")
    initialize()


def started():
    """Whether this process has it already, such as by `opentelemetry-instrument`."""
    return hasattr(trace.get_tracer_provider(), "force_flush")


@signals.worker_process_shutdown.connect
def flush(**_):
    """Sends what is left: a child of the pool ends without the handlers that would. In threads that need not end, since it may hang."""
    end = time.monotonic() + 4
    providers = trace.get_tracer_provider(), metrics.get_meter_provider(), _logs.get_logger_provider()
    senders = [threading.Thread(target=each.force_flush, daemon=True) for each in providers if hasattr(each, "force_flush")]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(max(0, end - time.monotonic()))


def traced(client):
    """The Redis client, with a span for each of its commands."""
    if started() and not RedisInstrumentor().is_instrumented_by_opentelemetry:
        RedisInstrumentor.instrument_client(client)
    return client


def trace_id():
    """Of the current span, as Tempo shows it."""
    context = trace.get_current_span().get_span_context()
    return trace.format_trace_id(context.trace_id) if context.is_valid else None


class Formatter(logging.Formatter):
    def formatMessage(self, record):
        line, found = super().formatMessage(record), trace_id()
        return f"{line} trace_id={found}" if found else line


@signals.after_setup_logger.connect
def show_trace_ids(logger, format, **_):
    for handler in logger.handlers:
        handler.setFormatter(Formatter(format))
