"""A small Celery app that uses what the platform offers; the worker and the scheduler run it as `main.celery`."""

import functools
import json
import logging
import os
import time
from urllib.parse import quote

import requests
from arango import ArangoClient
from arango.exceptions import ArangoServerError, CollectionCreateError, DocumentInsertError
from arango.http import DefaultHTTPClient
from celery import Celery
from opentelemetry import metrics, trace
from redis import Redis, RedisError

import telemetry

# ArangoDB's numbers for what is there already: a collection of that name, a document of that key.
DUPLICATE_NAME, UNIQUE_CONSTRAINT_VIOLATED = 1207, 1210

log = logging.getLogger("main")
tracer = trace.get_tracer("main")
written = metrics.get_meter("main").create_counter("notes.written", description="Notes that were written to the database.")

# Celery itself reads CELERY_BROKER_URL and CELERY_RESULT_BACKEND.
celery = Celery("main")
celery.conf.update(
    # All tasks may run twice, so one that was cut off, by SIGTERM or with its process, runs again.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    # A worker holds no task back that another one could run.
    worker_prefetch_multiplier=1,
    result_expires=3600,
    broker_connection_retry_on_startup=True,
    task_routes={"main.slow": {"queue": "slow"}},
    # A tick that no worker took in time makes room for the next.
    beat_schedule={"tick": {"task": "main.tick", "schedule": 30.0, "options": {"expires": 30}}},
)

# A database that is away for a minute delays a task and does not fail it.
patient = {"autoretry_for": (OSError, ArangoServerError, RedisError), "retry_backoff": 2, "max_retries": 6}


@functools.cache
def cache():
    return telemetry.traced(Redis.from_url(os.environ["REDIS_URL"], decode_responses=True, socket_connect_timeout=5, socket_timeout=5))


@functools.cache
def notes():
    """The collection, made by whoever comes first."""
    # The client's own tries would keep the process for half a minute: Celery's leave it to other tasks.
    client = ArangoClient(os.environ["ARANGO_URL"], http_client=DefaultHTTPClient(request_timeout=10, retry_attempts=0))
    database = client.db(os.environ["ARANGO_DATABASE"], os.environ["ARANGO_USERNAME"], os.environ["ARANGO_PASSWORD"])
    try:
        database.create_collection("notes")
    except CollectionCreateError as error:
        if error.error_code != DUPLICATE_NAME:
            raise
    return database.collection("notes")


def save(note):
    """Writes a note, or writes over it: the second run of a task leaves what the first one left."""
    try:
        notes().insert(note)
    except DocumentInsertError as error:
        if error.error_code != UNIQUE_CONSTRAINT_VIOLATED:
            raise
        notes().replace(note)


@celery.task(name="main.note", bind=True, **patient)
def note(self, text, key=None):
    """Writes a note under a key of the caller's, or under the task's id, which stays the same however often the task runs."""
    key = key or self.request.id
    with tracer.start_as_current_span("write note", attributes={"note.key": key}):
        trace_id = telemetry.trace_id()
        save({"_key": key, "text": text, "trace": trace_id})
        cache().delete(f"note:{key}")
        log.info("note %s is written", key)
    written.add(1)
    return {"key": key, "trace": trace_id}


@celery.task(name="main.read", **patient)
def read(key):
    """Reads a note: from the cache, or from the database into the cache. An unknown one is None."""
    kept = cache().get(f"note:{key}")
    if kept:
        return {**json.loads(kept), "cached": True}
    found = notes().get(key)
    if not found:
        return None
    note = {"key": key, "text": found["text"], "trace": found["trace"]}
    cache().set(f"note:{key}", json.dumps(note), ex=60)
    return {**note, "cached": False}


@celery.task(name="main.lookup", **patient)
def lookup(service):
    """The addresses, host:port, of a service whose checks pass, as Consul knows them."""
    url = f"{os.environ['CONSUL_HTTP_ADDR']}/v1/health/service/{quote(service, safe='')}"
    answer = requests.get(url, {"passing": "true"}, headers={"X-Consul-Token": os.environ.get("CONSUL_HTTP_TOKEN", "")}, timeout=5)
    answer.raise_for_status()
    return [f"{each['Service']['Address'] or each['Node']['Address']}:{each['Service']['Port']}" for each in answer.json()]


@celery.task(name="main.slow")
def slow(seconds=10):
    """Takes its time, in a queue of its own: who asks for quick tasks does not wait for it."""
    log.info("slow starts: %s s", seconds)
    time.sleep(seconds)
    log.info("slow ends")
    return seconds


@celery.task(name="main.fail")
def fail():
    """Fails, to be seen in traces, logs and metrics."""
    raise RuntimeError("failed, as it was asked to")


@celery.task(name="main.tick", ignore_result=True)
def tick():
    """Counts the beats of the scheduler since it last paused for an hour."""
    cache().pipeline().incr("ticks").expire("ticks", 3600).execute()
