"""The commands on a real API server and node, as a person types them. KUBECONFIG names a cluster that is this test's alone, CONTEXT its context."""

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CONTEXT = os.environ["CONTEXT"]
NAMESPACE = "platform-dev"


def npm(name, *args, project=ROOT, env=None, stdin="", timeout=300):
    """Status, output and seconds of `npm run NAME`."""
    start = time.monotonic()
    command = ["npm", "run", "--silent", name, "--", "--profile", "dev", *([] if "--context" in args else ["--context", CONTEXT]), *args]
    done = subprocess.run(command, cwd=project, env={**os.environ, **(env or {})}, input=stdin, capture_output=True, text=True, timeout=timeout)
    said = done.stdout + done.stderr
    assert not re.search(r"^\s+at .*\(", said, re.MULTILINE), f"a stack trace: {said}"
    return done.returncode, said, time.monotonic() - start


def kubectl(*args, stdin=None, check=True):
    command = ["kubectl", "--context", CONTEXT, "--namespace", NAMESPACE, *args]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=check).stdout


def eventually(question, seconds, what):
    end = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(1)
    return answer


def well(seconds=90):
    """Every workload is as it should be: Prometheus asks each target every 30 seconds."""
    return eventually(lambda: (lambda status, said, _: status == 0 and said)(*npm("status")), seconds, "npm run status ends with 0")


def values():
    secrets = json.loads(kubectl("get", "secrets", "--output=json"))["items"]
    return {f"{each['metadata']['name']}/{key}": base64.b64decode(value).decode() for each in secrets for key, value in each["data"].items()}


@pytest.fixture
def project(tmp_path):
    """A copy of the project, to change."""
    copy = tmp_path / "project"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", "node_modules", "dist"))
    (copy / "node_modules").symlink_to(ROOT / "node_modules")
    return copy


def change(project, file, old, new):
    text = (project / file).read_text()
    assert old in text, f"{file} does not hold {old}"
    (project / file).write_text(text.replace(old, new))


def test_a_context_that_is_not_there():
    status, said, _ = npm("up", "--context", "nowhere")
    assert (status, said) == (2, f'the kubeconfig has no context "nowhere": it has {CONTEXT}\n')


def test_a_cluster_that_does_not_answer(tmp_path):
    config = tmp_path / "config"
    shutil.copy(os.environ["KUBECONFIG"], config)
    cluster = json.loads(kubectl("config", "view", "--output=json"))["clusters"][0]["name"]
    subprocess.run(["kubectl", "--kubeconfig", config, "config", "set-cluster", cluster, "--server=https://127.0.0.1:1"], check=True, capture_output=True)
    for command in ("up", "status", "down", "secrets"):
        status, said, seconds = npm(command, env={"KUBECONFIG": str(config)})
        assert status == 2 and f'the cluster of context "{CONTEXT}" does not answer' in said, said
        assert said.count("\n") <= 2 and seconds < 20, said


def test_a_cluster_that_nobody_named_is_not_touched():
    done = subprocess.run(["npm", "run", "--silent", "up", "--", "--profile", "dev"], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 2 and f"name it: --context {CONTEXT}" in done.stderr
    assert not kubectl("get", "namespace", NAMESPACE, "--ignore-not-found")


def test_who_may_not_is_told_so(tmp_path):
    kubectl("create", "serviceaccount", "nobody", "--namespace=default")
    token = kubectl("create", "token", "nobody", "--namespace=default").strip()
    config = json.loads(kubectl("config", "view", "--raw", "--minify", "--output=json"))
    config["users"][0]["user"] = {"token": token}
    (tmp_path / "config").write_text(json.dumps(config))
    status, said, _ = npm("up", env={"KUBECONFIG": str(tmp_path / "config")})
    assert status == 2 and "you may not get or create or patch namespaces" in said, said
    kubectl("delete", "serviceaccount", "nobody", "--namespace=default")


def test_up_from_nothing(tmp_path):
    # What kubectl is called with is seen: a secret among its arguments would be seen by everybody on the machine.
    real, spy = shutil.which("kubectl"), tmp_path / "kubectl"
    spy.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/arguments\nexec {real} "$@"\n')
    spy.chmod(0o755)
    status, said, seconds = npm("up", env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    print(f"up from nothing: {seconds:.1f} s")
    assert status == 0, said
    assert seconds < 90, f"{seconds:.0f} s"
    assert "Warning:" not in said
    assert f"npm run open -- grafana --profile dev --context {CONTEXT}\n" in said
    everywhere = said + (tmp_path / "arguments").read_text()
    assert not [name for name, value in values().items() if value in everywhere], "a secret was shown"


def test_a_second_up_changes_nothing():
    before = values()
    status, said, seconds = npm("up")
    assert status == 0 and re.search(r"0 changes: all \d+ objects are as they should be", said), said
    assert seconds < 10, f"{seconds:.1f} s"
    assert values() == before


def test_status():
    said = well()
    for name in ("arangodb", "redis", "consul", "tempo", "loki", "prometheus", "otel-collector-0", "celery-worker-default", "celery-beat", "grafana"):
        assert re.search(rf"✔  {name} +1/1 ", said), f"{name}: {said}"
    for answer in ("targets up", "hears 1 Celery worker", "its database is ok", "leader "):
        assert answer in said, said
    status, said, seconds = npm("status", "--json")
    assert status == 0 and json.loads(said)["well"] is True
    assert seconds < 5, f"{seconds:.1f} s"


def test_open():
    command = ["npm", "run", "--silent", "open", "--", "grafana", "--profile", "dev", "--context", CONTEXT]
    page = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        url, login = page.stdout.readline().strip(), page.stdout.readline()
        assert subprocess.run(["curl", "-sf", f"{url}api/health"], capture_output=True, text=True).stdout.count("ok")
        assert "user admin, password: kubectl" in login
    finally:
        os.killpg(page.pid, signal.SIGINT)
        page.wait(10)


def left_by_smoke():
    return kubectl("get", "all,configmaps,networkpolicies,serviceaccounts", "--selector=app.kubernetes.io/name in (smoke,nobody)", "--output=name") + kubectl(
        "get", "pods", "--selector=app.kubernetes.io/instance=smoke-path", "--output=name"
    )


def test_smoke_proves_what_is_promised_and_leaves_nothing():
    well()
    status, said, seconds = npm("smoke")
    print(f"smoke: {seconds:.1f} s")
    assert status == 0 and " 0 failed, 0 cannot be answered here" in said, said
    # Telemetry may take 40 s to arrive, and the Job has to start.
    assert seconds < 75, f"{seconds:.1f} s"
    traces = [line for line in said.splitlines() if "the task's trace" in line]
    assert len(traces) == 1 and "stand-in for tempo: proves the manifest, not the product" in traces[0], said
    assert not [name for name, value in values().items() if value in said], "a secret was shown"
    assert not left_by_smoke()


def test_smoke_after_an_interruption_leaves_nothing():
    command = ["npm", "run", "--silent", "smoke", "--", "--profile", "dev", "--context", CONTEXT]
    run = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True)
    eventually(left_by_smoke, 30, "smoke has made something")
    time.sleep(2)
    os.killpg(run.pid, signal.SIGINT)
    assert "interrupted: what it made is removed" in run.communicate(timeout=90)[1]
    assert not left_by_smoke()


def test_smoke_names_what_is_broken():
    wrong = base64.b64encode(b"wrong").decode()
    before = json.loads(kubectl("get", "secret", "arangodb", "--output=json"))["data"]["password"]
    kubectl("patch", "secret", "arangodb", "--patch", json.dumps({"data": {"password": wrong}}))
    kubectl("scale", "deployment", "celery-beat", "--replicas=0")
    kubectl("delete", "networkpolicy", "tempo")
    hole = {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "redis"}}, "ingress": [{}], "policyTypes": ["Ingress"]}
    way = {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "grafana"}}, "egress": [{}], "policyTypes": ["Egress"]}
    for name, spec in {"hole": hole, "way": way}.items():
        manifest = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name}, "spec": spec}
        kubectl("apply", "--filename=-", stdin=json.dumps(manifest))
    status, said, _ = npm("smoke")
    assert status == 1, said
    for words in (
        r"✖ +the app's user can make no database in ArangoDB and sees no other .* answers 401",
        r"✖ +beat's schedule fires, once for each tick .* no tick in 36 s",
        r"✖ +a pod without a policy of its own reaches nothing .* not in the cluster: the NetworkPolicy tempo",
        r"✖ +what is no edge of the graph is refused .* open: grafana → redis 6379, grafana → redis 9121  ",
        r"✖ +every edge of the graph works .* grafana → tempo 3200",
        rf"→ kubectl --context {CONTEXT} --namespace {NAMESPACE} logs --selector=app.kubernetes.io/name=celery-beat",
    ):
        assert re.search(words, said), f"{words}: {said}"
    kubectl("patch", "secret", "arangodb", "--patch", json.dumps({"data": {"password": before}}))
    kubectl("delete", "networkpolicy", "hole", "way")
    assert npm("up", "--force")[0] == 0
    well()


def test_a_missing_secret_is_named_and_made():
    kubectl("delete", "secret", "grafana")
    kubectl("delete", "pod", "--selector=app.kubernetes.io/name=grafana")
    eventually(lambda: "the Secret grafana is missing" in npm("status")[1], 60, "status names the Secret")
    assert npm("status")[0] == 1
    status, said, _ = npm("secrets")
    assert status == 0 and re.search(r"created +grafana", said), said
    well()


def test_a_quota_too_small_is_named():
    kubectl("create", "quota", "small", "--hard=pods=1")
    kubectl("delete", "pod", "--selector=app.kubernetes.io/name=grafana")
    status, said, _ = npm("up", "--timeout", "20")
    assert status == 1 and 'grafana: the quota "small" is used up: it asks for pods=1' in said, said
    kubectl("delete", "quota", "small")
    # The replica set tries again after a while that doubles each time.
    kubectl("rollout", "restart", "deployment/grafana")
    well()


def test_a_pod_that_no_node_takes_is_named():
    terms = [{"matchExpressions": [{"key": "disk", "operator": "In", "values": ["none"]}]}]
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}
    patch = [{"op": "add", "path": "/spec/template/spec/affinity", "value": affinity}]
    kubectl("patch", "deployment", "grafana", "--type=json", f"--patch={json.dumps(patch)}")
    status, said, _ = npm("up", "--timeout", "20")
    assert status == 1 and "grafana: no node takes it: 0/1 nodes are available" in said, said
    kubectl("patch", "deployment", "grafana", "--type=json", '--patch=[{"op":"remove","path":"/spec/template/spec/affinity"}]')
    well()


def test_a_field_that_somebody_else_owns_is_named_and_taken_back():
    kubectl("scale", "deployment/grafana", "--replicas=2")
    status, said, _ = npm("up")
    assert status == 2 and "somebody else has set what this sets too: .spec.replicas (kubectl)" in said, said
    status, said, _ = npm("up", "--force")
    assert status == 0 and "1 changed (Deployment grafana)" in said, said


def test_an_image_that_nobody_has_is_named(project):
    change(project, "settings/images.ts", "grafana/grafana:13.2.3", "grafana/grafana:99.0.0")
    status, said, _ = npm("up", "--timeout", "30", project=project)
    assert status == 1 and "grafana: the image docker.io/grafana/grafana:99.0.0 cannot be pulled: no registry has it" in said, said
    assert "kind load docker-image grafana/grafana:99.0.0" in said


def test_a_container_that_crashes_shows_its_last_words(project):
    change(project, "charts/tempo.ts", "        server: {", "        nonsense: {}, server: {")
    status, said, _ = npm("up", "--timeout", "60", project=project)
    assert status == 1 and re.search(r"tempo: tempo ends with status \d+", said), said
    assert "nonsense" in said.split("tempo: tempo ends")[1], f"its log is not shown: {said}"


def test_up_mends_what_was_changed():
    status, said, _ = npm("up")
    assert status == 0 and "2 changed (ConfigMap tempo, Deployment tempo)" in said, said
    well()


def test_down_keeps_the_data_and_an_interrupted_up_goes_on():
    login = 'REDISCLI_AUTH="$(cat /run/secrets/redis/password)" redis-cli'
    assert kubectl("exec", "redis-0", "--container=redis", "--", "sh", "-c", f"{login} set kept yes").strip() == "OK"
    before = values()
    status, said, _ = npm("down")
    assert status == 0 and re.search(rf"kept: the namespace {NAMESPACE}, 9 disks, 4 Secrets", said), said
    assert not kubectl("get", "pods,deployments,statefulsets,services,jobs", "--output=name")
    assert npm("status")[0] == 1

    interrupted = subprocess.Popen(["npm", "run", "--silent", "up", "--", "--profile", "dev", "--context", CONTEXT], cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True)
    time.sleep(4)
    os.killpg(interrupted.pid, signal.SIGINT)
    interrupted.wait(10)

    status, said, seconds = npm("up")
    print(f"up again: {seconds:.1f} s")
    assert status == 0, said
    assert values() == before
    assert kubectl("exec", "redis-0", "--container=redis", "--", "sh", "-c", f"{login} get kept").strip() == "yes"


@pytest.mark.parametrize("name", ["redis/password", "arangodb/password", "consul/app-token"])
def test_a_rotated_secret_opens_and_the_old_one_does_not(name):
    before = values()
    status, said, _ = npm("secrets", "--rotate", name, "--yes")
    assert status == 0, said
    after = values()
    assert after[name] != before[name] and {**after, name: ""} == {**before, name: ""}
    assert before[name] not in said and after[name] not in said
    well(120)


def test_purge_wants_the_name():
    status, said, _ = npm("down", "--purge", stdin="prod\n")
    assert (status, said) == (2, 'that is not "dev": nothing was removed\n')
    status, said, _ = npm("down", "--purge", stdin="dev\n")
    assert status == 0, said
    assert not kubectl("get", "namespace", NAMESPACE, "--ignore-not-found")
    assert not kubectl("get", "persistentvolumes", "--output=name")
