"""Asks a running platform, from a pod inside it, for everything that it promises. Removes what it wrote.

Prints a line of JSON for each check: name, state (ok, failed or unanswerable), seconds, what it saw, the command that shows
more, and the stand-ins that answered in place of a product. Prints no secret. Exit status 1 when a check failed.
"""

import base64
import http.client
import json
import os
import signal
import socket
import struct
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from concurrent.futures import Future, wait
from pathlib import Path
from urllib.parse import quote, urlencode

from celery import Celery
from redis import AuthenticationError, Redis, RedisError

try:
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.celery import CeleryInstrumentor
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
except ImportError:
    trace = None

ENV = os.environ
ME, APP, NAMESPACE = ENV["OTEL_SERVICE_NAME"], ENV["APP_NAME"], ENV["NAMESPACE"]
QUEUES = json.loads(ENV["QUEUES"])
# Seconds, by what they are for: charts/smoke.ts has them, and the Job's deadline follows from them.
WAITS = json.loads(ENV["WAITS"])
TICK, WATCH = 30, 36  # seconds: beat's schedule in the reference app, and how long it is watched
# One key for all runs: what a run that was killed leaves is overwritten by the next, and removed.
KEY, RUN = ME, uuid.uuid4().hex
KV = f"{ENV['CONSUL_URL']}/v1/kv/app/{ME}"

heard = threading.local()
failed, stopping = threading.Event(), threading.Event()


class Failed(Exception):
    """What was seen instead, for a person."""


class Unanswerable(Exception):
    """Why nobody can tell."""


def credential(name):
    return Path(ENV[f"{name}_CREDENTIAL"]).read_text().rstrip("\n")


CREDENTIALS = {name: credential(name) for name in ("BROKER", "CACHE", "ARANGO", "GRAFANA", "CONSUL")}


def logs(name):
    return f"logs --selector=app.kubernetes.io/name={name} --tail=50 --prefix"


def check(name, question, more, patience=WAITS["arrival"]):
    """Asks one question, and prints what came of it. `more` is a kubectl command."""
    start, heard.standins = time.monotonic(), set()
    heard.patience, heard.end = patience, start + patience
    try:
        state, saw = "ok", question() or ""
    except Unanswerable as why:
        state, saw = "unanswerable", str(why)
    except Exception as why:
        failed.set()
        state, saw = "failed", str(why) if isinstance(why, Failed) else f"{type(why).__name__}: {' '.join(str(why).split())}"
    for value in CREDENTIALS.values():
        saw = saw.replace(value, "…")
    seconds = round(time.monotonic() - start, 1)
    line = {"name": name, "state": state, "seconds": seconds, "saw": saw, "standins": sorted(heard.standins)}
    if state != "ok":
        line["more"] = f"kubectl --namespace {NAMESPACE} {more}"
    print(json.dumps(line, ensure_ascii=False), flush=True)


def until(question):
    """A question's answer once it has one. When the time is over, its last failure."""
    while True:
        try:
            return question()
        except Failed:
            if time.monotonic() > heard.end:
                raise
        time.sleep(0.5)


# HTTP


def basic(user, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def call(method, url, headers=None, body=None, seconds=5):
    """The status and the text of one request. Remembers that a stand-in answered."""
    request = urllib.request.Request(url, body, {"Accept": "application/json", **(headers or {})}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:
            status, text, header = answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        status, text, header = error.code, error.read().decode(errors="replace"), error.headers
    except (OSError, http.client.HTTPException) as error:
        raise Failed(f"{method} {url} has no answer: {getattr(error, 'reason', error)}") from None
    if header.get("X-Standin"):
        heard.standins.add(header["X-Standin"].removesuffix("-standin"))
    return status, text


def get(url, headers=None):
    """The JSON at a URL."""
    status, text = call("GET", url, headers)
    try:
        if status == 200:
            return json.loads(text)
    except ValueError:
        pass
    raise Failed(f"GET {url} answers {status}: {text.strip()[:120]}")


def behind(*services):
    """Whether a stand-in did part of what is seen elsewhere."""
    urls = {
        "arangodb": f"{ENV['ARANGO_URL']}/_admin/server/availability",
        "tempo": f"{ENV['TEMPO_URL']}/ready",
        "loki": f"{ENV['LOKI_URL']}/ready",
    }
    for service in services:
        try:
            # ArangoDB and Loki answer HEAD with 405.
            call("GET", urls[service])
        except Failed:
            pass
    return bool(heard.standins)


def refused(method, url, headers=None, body=None):
    status, _ = call(method, url, headers, body)
    if status not in (401, 403):
        raise Failed(f"{method} {url} answers {status}, and should be refused")


def instant(query):
    """What Prometheus answers at this moment."""
    return get(f"{ENV['PROMETHEUS_URL']}/api/v1/query?{urlencode({'query': query})}")["data"]["result"]


def measured(query):
    """The sum of a query. None is nothing."""
    result = instant(f"sum({query})")
    return float(result[0]["value"][1]) if result else None


# Tasks


def address(name):
    """With the broker's password, as Celery wants it."""
    return ENV[f"{name}_URL"].replace("redis://", f"redis://:{quote(CREDENTIALS['BROKER'], safe='')}@")


celery = Celery("smoke", broker=address("BROKER"), backend=address("RESULTS"), set_as_current=False)
celery.conf.broker_transport_options = {
    "socket_connect_timeout": 5,
    "socket_timeout": 15,
    # Who waits for an answer also gives back what workers hold for too long: that is not for a visitor to decide.
    "visibility_timeout": 10**8,
}


@celery.task(name="main.note")
def write_note(text, key):
    """Runs in the app."""


@celery.task(name="main.slow")
def be_slow(seconds):
    """Runs in the app."""


class Ear(threading.Thread):
    """Hears from the workers' events which of them starts a task."""

    def __init__(self):
        super().__init__(daemon=True)
        self.hears = threading.Event()
        self.workers = {}
        self.receiver = None

    def run(self):
        while self.receiver is None or not self.receiver.should_stop:
            try:
                with celery.connection_for_read() as connection:
                    self.receiver = celery.events.Receiver(connection, handlers={"*": self.hear})
                    self.receiver.capture(wakeup=False)
            except Exception:
                time.sleep(1)

    def stop(self):
        """Takes its queue of events out of Redis."""
        if self.receiver:
            self.receiver.should_stop = True
            self.join(3)

    def hear(self, event):
        self.hears.set()
        if event["type"] == "task-started":
            self.workers[event["uuid"]] = event["hostname"]


ear = Ear()
note, before, sent = Future(), {}, []
registered = Future()


def client(name):
    return Redis.from_url(ENV[f"{name}_URL"], password=CREDENTIALS[name], socket_timeout=5, socket_connect_timeout=5)


def look():
    """Which tasks the workers know. None when none of them answers."""
    client("BROKER").ping()
    for _ in range(3):
        answer = celery.control.inspect(timeout=1.5).registered()
        if answer:
            return {task.split()[0] for tasks in answer.values() for task in tasks}
    return None


def needs(task):
    """The reference app's tasks are not everybody's."""
    known = registered.result()
    if known is not None and task not in known:
        raise Unanswerable(f"not asked: the app has no task {task}")


def result_of(task, seconds=12):
    """What a worker returned."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        meta = celery.backend.get_task_meta(task.id)
        if meta["status"] == "SUCCESS":
            return meta["result"]
        if meta["status"] == "FAILURE":
            raise Failed(f"{task.task_name} failed: {meta['result']!r}")
        time.sleep(0.1)
    if meta["status"] == "RETRY":
        raise Failed(f"{ear.workers.get(task.id)} tries {task.task_name} again and again: {meta['result']!r}")
    where = ear.workers.get(task.id)
    how = f"{where} has not ended it" if where else "no worker has begun it"
    raise Failed(f"{task.task_name} is in Redis, and {how} after {seconds} s")


def send(task, queue, args):
    if stopping.is_set():
        raise Unanswerable("not asked: the run is stopped")
    # Celery itself tries for 20 s before it says that Redis is away or refuses.
    client("BROKER").ping()
    # Whatever goes wrong, no worker finds it later.
    result = task.apply_async(args, queue=queue, expires=60)
    result.task_name = task.name
    sent.append((result.id, queue))
    return result


def in_queue(queue, pool):
    def question():
        needs("main.slow")
        task = send(be_slow, queue, (0,))
        value = result_of(task)
        if value != 0:
            raise Failed(f"main.slow(0) returned {value!r}")
        end = time.monotonic() + 3
        while task.id not in ear.workers and time.monotonic() < end:
            time.sleep(0.1)
        worker = ear.workers.get(task.id)
        if worker is None:
            raise Failed("its result came, and no event said which worker ran it")
        if worker.partition("@")[0] != pool:
            raise Failed(f"it ran on {worker}, and the manifests give {queue} to the pool {pool}")
        return worker

    return question


SPANS = {"producer": (ME, "apply_async/main.note"), "worker": (APP, "run/main.note")}
CALLS = {
    side: f'traces_spanmetrics_calls_total{{service="{service}",span_name="{name}"}}'
    for side, (service, name) in SPANS.items()
    if trace or side == "worker"
}
# A name that no other run has: what a counter of the others' says may be from before, or begin anew with Tempo.
OWN = f"smoke {RUN[:8]}"
EDGE = f'traces_service_graph_request_total{{client="{ME}",server="{APP}"}}'


def write():
    """The task that the other checks ask about."""
    needs("main.note")
    behind("arangodb")
    for name, query in {**CALLS, "edge": EDGE}.items():
        try:
            before[name] = measured(query)
        except Failed:
            before[name] = None
    if trace is None:
        task = send(write_note, "celery", (RUN, KEY))
    else:
        provider = TracerProvider(resource=Resource.create())
        provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
        trace.set_tracer_provider(provider)
        CeleryInstrumentor().instrument()
        with trace.get_tracer(ME).start_as_current_span(OWN):
            task = send(write_note, "celery", (RUN, KEY))
        provider.force_flush(5000)
        CeleryInstrumentor().uninstrument()
    answer = result_of(task)
    if not isinstance(answer, dict) or answer.get("key") != KEY or not answer.get("trace"):
        raise Failed(f"main.note returned {answer!r}, and should the key {KEY} and a trace")
    return answer["trace"]


def noted():
    """The trace of the task, once it has run. Starts the wait for its telemetry."""
    if not wait([note], WAITS["task"]).done:
        raise Failed(f"the task has not returned after {WAITS['task']} s")
    heard.end = time.monotonic() + heard.patience
    return note.result()


def tasks():
    try:
        registered.set_result(look())
    except Exception:
        # The first task that is sent says why.
        registered.set_result(None)
    ear.hears.wait(5)

    def first():
        try:
            note.set_result(write())
        except Exception as why:
            note.set_exception(why if isinstance(why, Unanswerable) else Unanswerable("not asked: main.note did not run"))
            raise
        return f"trace {note.result()}"

    check("a task through Redis writes a note and returns its result", first, logs("celery-worker"))
    for queue, pool in QUEUES.items():
        name = f"a task of the queue {queue} runs on a worker of the pool {pool}"
        check(name, in_queue(queue, pool), f"logs deployment/celery-worker-{pool} --tail=50")


def beat():
    redis, start, steps = client("CACHE"), time.monotonic(), []
    last = int(redis.get("ticks") or 0)
    while time.monotonic() < start + WATCH:
        now = int(redis.get("ticks") or 0)
        if now != last:
            steps.append((time.monotonic() - start, now - last))
        last = now
        time.sleep(0.25)
    needs("main.tick")
    if not steps:
        raise Failed(f"no tick in {WATCH} s, and there should be one every {TICK}")
    if any(step != 1 for _, step in steps) or any(b[0] - a[0] < TICK - 5 for a, b in zip(steps, steps[1:])):
        raise Failed(f"in {WATCH} s it counted " + ", ".join(f"{step:+d} after {at:.0f} s" for at, step in steps))
    return f"{len(steps)} in {WATCH} s"


# ArangoDB

ARANGO, DATABASE = ENV["ARANGO_URL"], quote(ENV["ARANGO_DATABASE"], safe="")
DOCUMENT = f"{ARANGO}/_db/{DATABASE}/_api/document/notes/{KEY}"


def owner():
    return basic(ENV["ARANGO_USERNAME"], CREDENTIALS["ARANGO"])


def document():
    found, kept = noted(), get(DOCUMENT, owner())
    if (kept.get("text"), kept.get("trace")) != (RUN, found):
        raise Failed(f"the note {KEY} is of another run: {kept.get('text')}")


def confined():
    seen = get(f"{ARANGO}/_db/{DATABASE}/_api/database/user", owner())["result"]
    if seen != [ENV["ARANGO_DATABASE"]]:
        raise Failed(f"it sees the databases {', '.join(seen)}")
    body = json.dumps({"name": "smoke_refused"}).encode()
    for path in ("/_api/database", f"/_db/{DATABASE}/_api/database"):
        refused("POST", ARANGO + path, owner(), body)
    for other in ("_system", "metrics"):
        refused("GET", f"{ARANGO}/_db/{other}/_api/collection", owner())


def arango_refuses():
    for headers in ({}, basic(ENV["ARANGO_USERNAME"], RUN), basic("root", RUN), basic("root", "")):
        refused("GET", f"{ARANGO}/_db/{DATABASE}/_api/collection", headers)


# Telemetry


def spans(answer):
    """Service and name of each span; a stand-in does not nest them."""
    found = answer.get("trace", answer) or {}
    for batch in found.get("resourceSpans") or found.get("batches") or []:
        if "scopeSpans" not in batch:
            yield batch["resource"].get("service.name"), batch["name"]
            continue
        attributes = {each["key"]: each["value"].get("stringValue") for each in batch["resource"]["attributes"]}
        for scope in batch["scopeSpans"]:
            for span in scope["spans"]:
                yield attributes.get("service.name"), span["name"]


def trace_at(url, headers=None):
    """Asks for the task's trace until both sides of it are there."""
    found = noted()

    def question():
        there = set(spans(get(f"{url}/api/v2/traces/{found}", headers)))
        missing = [f"{side} ({' '.join(SPANS[side])})" for side in CALLS if SPANS[side] not in there]
        if missing:
            raise Failed(f"the trace {found} lacks the span of its {' and '.join(missing)}")
        return f"{len(there)} spans"

    saw = until(question)
    if trace is None:
        raise Unanswerable("the worker's span is there; the app's image has no OpenTelemetry to send a producer's with")
    return saw


def grown(query, name):
    """Whether a counter has counted since the task was sent. A new one may begin at zero."""
    now = measured(query)
    if not now or now == before[name]:
        raise Failed(f"{query} is {'nothing' if now is None else f'{now:g}, as before'}")


def span_metrics():
    noted()
    behind("tempo")
    if trace is None:
        return until(lambda: grown(CALLS["worker"], "worker"))

    def question():
        for query in (f'traces_spanmetrics_calls_total{{service="{ME}",span_name="{OWN}"}}', CALLS["worker"]):
            if not measured(query):
                raise Failed(f"{query} is nothing")

    return until(question)


def exemplar():
    found = noted()
    behind("tempo")
    # The spans of this run alone have that name; without OpenTelemetry here there are only those of the app's tasks, of whichever trace.
    whose = f'service="{ME}",span_name="{OWN}"' if trace else f'service="{APP}"'
    selector = f"traces_spanmetrics_latency_bucket{{{whose}}}"

    def question():
        now = time.time()
        query = urlencode({"query": selector, "start": now - 600, "end": now + 60})
        series = get(f"{ENV['PROMETHEUS_URL']}/api/v1/query_exemplars?{query}")["data"]
        exemplars = [each for one in series for each in one["exemplars"]]
        if not exemplars:
            raise Failed(f"{selector} has no exemplar")
        labels = max(exemplars, key=lambda each: float(each["timestamp"]))["labels"]
        identifier = labels.get("traceID") or labels.get("trace_id") or ""
        # Tempo leaves out the zeros at its beginning.
        if trace and identifier.zfill(32) != found:
            raise Failed(f"the exemplar of {selector} names the trace {identifier or 'of no name'}, and the task's is {found}")
        if not list(spans(get(f"{ENV['TEMPO_URL']}/api/v2/traces/{identifier}"))):
            raise Failed(f"the trace {identifier} of an exemplar is empty")
        return f"trace {identifier}"

    return until(question)


def service_graph():
    noted()
    if trace is None:
        raise Unanswerable("the app's image has no OpenTelemetry, so no producer's span was sent")
    behind("tempo")
    until(lambda: grown(EDGE, "edge"))


def log_line():
    found = noted()
    query = urlencode({"query": f'{{service_name="{APP}"}} | trace_id="{found}"', "start": int((time.time() - 600) * 1e9), "limit": 20})

    def question():
        streams = get(f"{ENV['LOKI_URL']}/loki/api/v1/query_range?{query}")["data"]["result"]
        lines = [line for stream in streams for _, line, *_ in stream["values"]]
        if not any(KEY in line for line in lines):
            raise Failed(f"{len(lines)} lines of {APP} have the trace id {found}, and none of them tells of the note")

    until(question)


# Grafana

GRAFANA = ENV["GRAFANA_URL"]
# Whether the Secret's password opens it. Further attempts with a wrong password lock admin out.
entered = Future()


def admin():
    return basic("admin", CREDENTIALS["GRAFANA"])


def logins():
    """Spends no wrong login of admin's: five within five minutes lock that user out. Grafana does not count those of a user that it does not know."""
    try:
        refused("GET", f"{GRAFANA}/api/datasources")
        refused("GET", f"{GRAFANA}/api/datasources", basic(f"smoke-{RUN}", RUN))
        status, text = call("GET", f"{GRAFANA}/api/datasources", admin())
        if "login-attempt.blocked" in text:
            raise Failed("admin is locked out: five wrong logins within five minutes do that, for five minutes")
        if status != 200:
            raise Failed(
                f"the password of the Secret answers {status}: it was applied when Grafana's database was first created, "
                "and five wrong logins within five minutes lock admin out for five minutes"
            )
        # A user has one password. If the Secret's opens and is not `admin`, Grafana's default does not.
        if CREDENTIALS["GRAFANA"] == "admin":
            raise Failed("the password of the Secret is admin, Grafana's default")
        entered.set_result(None)
    except Exception as why:
        entered.set_exception(why)
        raise


def sources():
    entered.result()
    uids = {each["uid"] for each in get(f"{GRAFANA}/api/datasources", admin())}
    missing = {"tempo", "prometheus", "loki"} - uids
    if missing:
        raise Failed(f"there is no data source {', '.join(sorted(missing))}")
    behind("tempo", "loki")

    for uid in sorted(uids):
        until(lambda uid=uid: healthy(uid))
    return ", ".join(sorted(uids))


def healthy(uid):
    """Has Grafana test a data source. That of Tempo it tests with a streaming search over gRPC, at the port of Tempo's HTTP API."""
    status, text = call("GET", f"{GRAFANA}/api/datasources/uid/{uid}/health", admin(), seconds=15)
    try:
        said = json.loads(text)["message"]
    except (ValueError, LookupError, TypeError):
        said = text.strip()
    if status != 200:
        raise Failed(f"{uid} answers {status}: {said[:120]}")


def through_grafana():
    entered.result()
    behind("tempo")
    return trace_at(f"{GRAFANA}/api/datasources/proxy/uid/tempo", admin())


# Consul


def token(value):
    return {"X-Consul-Token": value}


def key_value():
    mine = token(CREDENTIALS["CONSUL"])
    for method, body, wanted in (("PUT", RUN.encode(), None), ("GET", None, RUN), ("DELETE", None, None)):
        status, text = call(method, f"{KV}{'?raw' if method == 'GET' else ''}", mine, body)
        if status != 200 or (wanted and text != wanted):
            raise Failed(f"{method} {KV} answers {status}: {text.strip()[:120]}")
    status, _ = call("GET", KV, mine)
    if status != 404:
        raise Failed(f"{KV} answers {status} after it was removed")
    refused("PUT", KV, body=b"refused")
    refused("GET", KV)


def consul_refuses():
    for headers in ({}, token(str(uuid.uuid4()))):
        refused("PUT", KV, headers, b"refused")


def question_of(name):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack(">HHHHHH", 1, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", 1, 1)


def consul_dns():
    host, _, port = ENV["CONSUL_DNS"].partition(":")
    name, packet = "redis.service.consul", question_of("redis.service.consul")
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        way = "UDP" if kind == socket.SOCK_DGRAM else "TCP"
        try:
            family = socket.getaddrinfo(host, int(port), type=kind)[0][0]
            with socket.socket(family, kind) as asked:
                asked.settimeout(5)
                asked.connect((host, int(port)))
                asked.send(packet if way == "UDP" else struct.pack(">H", len(packet)) + packet)
                answer = asked.recv(4096) if way == "UDP" else asked.makefile("rb").read(2 + 12)[2:]
        except OSError as error:
            raise Failed(f"{name} by {way} at {ENV['CONSUL_DNS']}: {error}") from None
        _, flags, _, answers = struct.unpack(">HHHH", answer[:8])
        if flags & 15 or not answers:
            raise Failed(f"{name} by {way} answers code {flags & 15} and {answers} records")
    return f"{name} by UDP and TCP"


# The rest


def targets():
    def question():
        active = get(f"{ENV['PROMETHEUS_URL']}/api/v1/targets?state=active")["data"]["activeTargets"]
        down = [each for each in active if each["health"] != "up"]
        bad = [f"{each['labels']['job']} is {each['health']} ({each['lastError'] or 'not asked yet'})" for each in down]
        if bad or not active:
            raise Failed("; ".join(bad) or "there is no target")
        return f"{len(active)} targets"

    saw = until(question)
    # Their own series tell on stand-ins.
    heard.standins.update(each["metric"]["job"] for each in instant('count by (job) ({__name__=~".*standin.*"})'))
    return saw


def redis_refuses():
    for name in ("BROKER", "CACHE"):
        for password in (None, RUN):
            try:
                Redis.from_url(ENV[f"{name}_URL"], password=password, socket_timeout=5, socket_connect_timeout=5).ping()
            except AuthenticationError:
                continue
            except RedisError as why:
                raise Failed(f"{ENV[f'{name}_URL']}: {why}") from None
            else:
                raise Failed(f"{ENV[f'{name}_URL']} answers to {'a wrong' if password else 'no'} password")


def names():
    missing = []
    services = ENV["SERVICES"].split(",")
    for name in services:
        try:
            socket.getaddrinfo(name, None)
        except OSError as error:
            missing.append(f"{name}: {error}")
            if error.errno == socket.EAI_AGAIN:
                # Nobody answers, after many seconds: the others would take as long.
                break
    if missing:
        raise Failed("; ".join(missing))
    return f"{len(services)} names"


def clean():
    """Removes every trace but those of telemetry, which go with their retention."""
    stopping.set()
    left = []
    for what, remove in {
        # First: a task that still runs would write a note again.
        "results": forget,
        "note": lambda: removed(DOCUMENT, owner()),
        "cached note": lambda: client("CACHE").delete(f"note:{KEY}"),
        "key": lambda: removed(KV, token(CREDENTIALS["CONSUL"])),
        "events": ear.stop,
    }.items():
        try:
            remove()
        except Exception as why:
            left.append(f"the {what}: {why}")
    if left:
        raise Failed("; ".join(left))


def removed(url, headers):
    status, _ = call("DELETE", url, headers)
    if status not in (200, 202, 404):
        raise Failed(f"DELETE {url} answers {status}")


def forget():
    """Removes results, messages that no worker took, and tasks that one would try again."""
    if not sent:
        return
    broker = client("BROKER")
    unfinished, end = [identifier for identifier, _ in sent], time.monotonic() + 3
    while unfinished and time.monotonic() < end:
        unfinished = [each for each in unfinished if celery.backend.get_task_meta(each)["status"] not in ("SUCCESS", "FAILURE")]
        time.sleep(0.1)
    if unfinished:
        celery.control.revoke(unfinished)
    for identifier, queue in sent:
        celery.backend.client.delete(celery.backend.get_key_for_task(identifier))
        for message in broker.lrange(queue, 0, -1):
            if identifier.encode() in message:
                broker.lrem(queue, 1, message)


CHECKS = [
    ("beat's schedule fires, once for each tick", beat, logs("celery-beat")),
    ("the task's note is in ArangoDB, under the app's user", document, logs("arangodb")),
    ("the app's user can make no database in ArangoDB and sees no other", confined, logs("arangodb-bootstrap")),
    ("the task's trace is in Tempo, with the spans of producer and worker", lambda: trace_at(ENV["TEMPO_URL"]), logs("otel-collector")),
    ("its span metrics are in Prometheus", span_metrics, logs("tempo")),
    ("an exemplar of them leads to a trace", exemplar, logs("tempo")),
    (f"the service graph has the edge from {ME} to {APP}", service_graph, logs("tempo")),
    ("its log line is in Loki, with the trace id", log_line, logs("otel-collector")),
    ("Grafana lets in the generated admin password, and nobody else", logins, logs("grafana")),
    ("every data source of Grafana is healthy", sources, logs("grafana")),
    ("the trace comes through Grafana's proxy", through_grafana, logs("grafana")),
    ("Consul writes, reads and removes a key with the token, and refuses without", key_value, logs("consul-acl")),
    # Consul looks at a service every 15 s: one that has just begun anew may be away from it for as long.
    ("Consul answers DNS for a service of the platform on 8600", lambda: until(consul_dns), logs("consul")),
    ("Prometheus finds every target up", targets, "port-forward service/prometheus 9090"),
    ("ArangoDB refuses no and wrong passwords", arango_refuses, logs("arangodb")),
    ("Redis refuses no and wrong passwords", redis_refuses, logs("redis")),
    ("Consul refuses no and wrong tokens", consul_refuses, logs("consul")),
]


def ended(threads):
    """Waits for the checks, and says which of them hang."""
    end = time.monotonic() + WAITS["task"] + WAITS["arrival"]
    for thread in threads:
        thread.join(max(0, end - time.monotonic()))
    late = [thread.name for thread in threads if thread.is_alive()]
    if late:
        raise Failed(f"after {WAITS['task'] + WAITS['arrival']} s these have not: {'; '.join(late)}")


def main():
    # Whoever stops it early leaves nothing behind either.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    # First: without it the others would only say that they find nothing.
    known = "DNS knows every Service of the manifests"
    check(known, lambda: until(names), "get services,endpointslices", patience=WAITS["names"])
    ear.start()
    threads = [threading.Thread(target=tasks, name="the tasks", daemon=True)]
    threads += [threading.Thread(target=check, args=each, name=each[0], daemon=True) for each in CHECKS]
    try:
        for thread in threads:
            thread.start()
        check("every check ends in time", lambda: ended(threads), logs("smoke"))
    finally:
        check("smoke leaves nothing behind", clean, logs("smoke"))
    # Threads of clients do not hold it up.
    os._exit(1 if failed.is_set() else 0)


if __name__ == "__main__":
    main()
