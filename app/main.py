"""A small Celery app that uses every service of the platform. Workers and beat run it as `main.celery`."""

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

# ArangoDB's error numbers for a collection name and a document key that already exist.
DUPLICATE_NAME, UNIQUE_CONSTRAINT_VIOLATED = 1207, 1210

log = logging.getLogger("main")
tracer = trace.get_tracer("main")
written = metrics.get_meter("main").create_counter("notes.written", description="Notes written to the database.")

# Celery reads CELERY_BROKER_URL and CELERY_RESULT_BACKEND from the environment.
celery = Celery("main")
celery.conf.update(
    # Every task may run twice. One that is interrupted, by SIGTERM or by the end of its process, therefore runs again.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    # A worker reserves no task that another one could run.
    worker_prefetch_multiplier=1,
    result_expires=3600,
    broker_connection_retry_on_startup=True,
    task_routes={"main.slow": {"queue": "slow"}},
    # A tick that no worker ran before the next one is dropped.
    beat_schedule={"tick": {"task": "main.tick", "schedule": 30.0, "options": {"expires": 30}}},
)

# A service that is down for a minute delays a task and does not fail it.
retried = {"autoretry_for": (OSError, ArangoServerError, RedisError), "retry_backoff": 2, "max_retries": 6}


@functools.cache
def cache():
    return telemetry.traced(Redis.from_url(os.environ["REDIS_URL"], decode_responses=True, socket_connect_timeout=5, socket_timeout=5))


@functools.cache
def notes():
    """The collection, which the first process creates."""
    # The client's own retries would block the process for half a minute; Celery's leave it free for other tasks.
    client = ArangoClient(os.environ["ARANGO_URL"], http_client=DefaultHTTPClient(request_timeout=10, retry_attempts=0))
    database = client.db(os.environ["ARANGO_DATABASE"], os.environ["ARANGO_USERNAME"], os.environ["ARANGO_PASSWORD"])
    try:
        database.create_collection("notes")
    except CollectionCreateError as error:
        if error.error_code != DUPLICATE_NAME:
            raise
    return database.collection("notes")


def save(note):
    """Writes a note, or replaces it, so that a task which runs twice leaves one note."""
    try:
        notes().insert(note)
    except DocumentInsertError as error:
        if error.error_code != UNIQUE_CONSTRAINT_VIOLATED:
            raise
        notes().replace(note)


@celery.task(name="main.note", bind=True, **retried)
def note(self, text, key=None):
    """Writes a note under the given key, or under the task's ID, which is the same in every run of the task."""
    key = key or self.request.id
    with tracer.start_as_current_span("write note", attributes={"note.key": key}):
        trace_id = telemetry.trace_id()
        save({"_key": key, "text": text, "trace": trace_id})
        cache().delete(f"note:{key}")
        log.info("note %s is written", key)
    written.add(1)
    return {"key": key, "trace": trace_id}


@celery.task(name="main.read", **retried)
def read(key):
    """Reads a note from the cache, or from the database into the cache. Returns None for an unknown key."""
    cached = cache().get(f"note:{key}")
    if cached:
        return {**json.loads(cached), "cached": True}
    document = notes().get(key)
    if not document:
        return None
    note = {"key": key, "text": document["text"], "trace": document["trace"]}
    cache().set(f"note:{key}", json.dumps(note), ex=60)
    return {**note, "cached": False}


@celery.task(name="main.lookup", **retried)
def lookup(service):
    """Returns the addresses, as host:port, of a service's instances that pass their checks in Consul."""
    url = f"{os.environ['CONSUL_HTTP_ADDR']}/v1/health/service/{quote(service, safe='')}"
    response = requests.get(url, {"passing": "true"}, headers={"X-Consul-Token": os.environ.get("CONSUL_HTTP_TOKEN", "")}, timeout=5)
    response.raise_for_status()
    return [f"{each['Service']['Address'] or each['Node']['Address']}:{each['Service']['Port']}" for each in response.json()]


@celery.task(name="main.slow")
def slow(seconds=10):
    """Takes its time. It has its own queue, so that quick tasks do not wait for it."""
    log.info("slow starts: %s s", seconds)
    time.sleep(seconds)
    log.info("slow ends")
    return seconds


@celery.task(name="main.fail")
def fail():
    """Fails, to show an error in traces, logs and metrics."""
    raise RuntimeError("this task always fails")


@celery.task(name="main.tick", ignore_result=True)
def tick():
    """Counts the runs of beat's schedule. The count expires after an hour without a run."""
    cache().pipeline().incr("ticks").expire("ticks", 3600).execute()
