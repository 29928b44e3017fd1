"""Runs the commands against a real API server and node. KUBECONFIG names a cluster for this test alone, CONTEXT its context."""

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
    """Runs `npm run NAME`. Returns its exit status, its output and its duration in seconds."""
    start = time.monotonic()
    command = ["npm", "run", "--silent", name, "--", "--profile", "dev", *([] if "--context" in args else ["--context", CONTEXT]), *args]
    process = subprocess.run(command, cwd=project, env={**os.environ, **(env or {})}, input=stdin, capture_output=True, text=True, timeout=timeout)
    output = process.stdout + process.stderr
    assert not re.search(r"^\s+at .*\(", output, re.MULTILINE), f"a stack trace: {output}"
    return process.returncode, output, time.monotonic() - start


def kubectl(*args, stdin=None, check=True):
    command = ["kubectl", "--context", CONTEXT, "--namespace", NAMESPACE, *args]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=check).stdout


def eventually(condition, seconds, what):
    """Repeats `condition` until it returns something true, and returns that."""
    end = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(1)
    return result


def wait_until_healthy(seconds=90):
    """Waits until every workload is healthy, which may take a scrape interval of Prometheus, 30 seconds. Returns the output of status."""
    return eventually(lambda: (lambda status, output, _: status == 0 and output)(*npm("status")), seconds, "npm run status ends with 0")


def values():
    """The values of all keys of all Secrets, by `secret/key`."""
    secrets = json.loads(kubectl("get", "secrets", "--output=json"))["items"]
    return {f"{each['metadata']['name']}/{key}": base64.b64decode(value).decode() for each in secrets for key, value in each["data"].items()}


@pytest.fixture
def project(tmp_path):
    """A copy of the project that the test changes."""
    copy = tmp_path / "project"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", "node_modules", "dist"))
    (copy / "node_modules").symlink_to(ROOT / "node_modules")
    return copy


def change(project, file, pattern, new):
    text, count = re.subn(pattern, new, (project / file).read_text(), flags=re.MULTILINE)
    assert count == 1, f"{count} matches of {pattern} in {file}"
    (project / file).write_text(text)


def test_an_unknown_context():
    status, output, _ = npm("up", "--context", "nowhere")
    assert (status, output) == (2, f'the kubeconfig has no context "nowhere": choose one of {CONTEXT}\n')


def test_a_cluster_that_does_not_respond(tmp_path):
    config = tmp_path / "config"
    shutil.copy(os.environ["KUBECONFIG"], config)
    cluster = json.loads(kubectl("config", "view", "--output=json"))["clusters"][0]["name"]
    subprocess.run(["kubectl", "--kubeconfig", config, "config", "set-cluster", cluster, "--server=https://127.0.0.1:1"], check=True, capture_output=True)
    for command in ("up", "status", "down", "secrets"):
        status, output, seconds = npm(command, env={"KUBECONFIG": str(config)})
        assert status == 2 and f'the cluster of context "{CONTEXT}" does not respond' in output, output
        assert output.count("\n") <= 2 and seconds < 20, output


def test_up_without_a_context_changes_nothing():
    process = subprocess.run(["npm", "run", "--silent", "up", "--", "--profile", "dev"], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert process.returncode == 2 and f"to use it, give --context {CONTEXT}" in process.stderr
    assert not kubectl("get", "namespace", NAMESPACE, "--ignore-not-found")


def test_missing_permissions_are_named(tmp_path):
    kubectl("create", "serviceaccount", "nobody", "--namespace=default")
    token = kubectl("create", "token", "nobody", "--namespace=default").strip()
    config = json.loads(kubectl("config", "view", "--raw", "--minify", "--output=json"))
    config["users"][0]["user"] = {"token": token}
    (tmp_path / "config").write_text(json.dumps(config))
    status, output, _ = npm("up", env={"KUBECONFIG": str(tmp_path / "config")})
    assert status == 2 and "you lack permission to get or create or patch namespaces" in output, output
    kubectl("delete", "serviceaccount", "nobody", "--namespace=default")


def test_up_from_nothing(tmp_path):
    # Records the arguments of kubectl: every user of the machine can read them, so they must hold no secret.
    real, spy = shutil.which("kubectl"), tmp_path / "kubectl"
    spy.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/arguments\nexec {real} "$@"\n')
    spy.chmod(0o755)
    status, output, seconds = npm("up", env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    print(f"up from nothing: {seconds:.1f} s")
    assert status == 0, output
    assert seconds < 90, f"{seconds:.0f} s"
    assert "Warning:" not in output
    assert f"npm run open -- grafana --profile dev --context {CONTEXT}\n" in output
    everywhere = output + (tmp_path / "arguments").read_text()
    assert not [name for name, value in values().items() if value in everywhere], "a secret was shown"


def test_a_second_up_changes_nothing():
    before = values()
    status, output, seconds = npm("up")
    assert status == 0 and re.search(r"0 changes: all \d+ objects are up to date", output), output
    assert seconds < 10, f"{seconds:.1f} s"
    assert values() == before


def test_status():
    output = wait_until_healthy()
    for name in ("arangodb", "redis", "consul", "tempo", "loki", "prometheus", "otel-collector-0", "celery-worker-default", "celery-beat", "grafana"):
        assert re.search(rf"✔  {name} +1/1 ", output), f"{name}: {output}"
    for health in ("targets up", "events from 1 Celery worker", "database ok", "leader "):
        assert health in output, output
    status, output, seconds = npm("status", "--json")
    assert status == 0 and json.loads(output)["healthy"] is True
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


def test_smoke_passes_and_leaves_nothing():
    wait_until_healthy()
    status, output, seconds = npm("smoke")
    print(f"smoke: {seconds:.1f} s")
    assert status == 0 and " 0 failed, 0 skipped" in output, output
    # Telemetry may take 40 s to arrive, and the Job has to start.
    assert seconds < 75, f"{seconds:.1f} s"
    traces = [line for line in output.splitlines() if "the task's trace" in line]
    assert len(traces) == 1 and "stand-in for tempo: proves the manifest, not the product" in traces[0], output
    assert not [name for name, value in values().items() if value in output], "a secret was shown"
    assert not left_by_smoke()


def test_an_interrupted_smoke_leaves_nothing():
    command = ["npm", "run", "--silent", "smoke", "--", "--profile", "dev", "--context", CONTEXT]
    run = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True)
    eventually(left_by_smoke, 30, "smoke has made something")
    time.sleep(2)
    os.killpg(run.pid, signal.SIGINT)
    assert "interrupted: what it made is removed" in run.communicate(timeout=90)[1]
    assert not left_by_smoke()


def test_smoke_names_the_failures():
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
    status, output, _ = npm("smoke")
    assert status == 1, output
    for words in (
        r"✖ +the app's user of ArangoDB reaches no other database and creates none .* returned 401",
        r"✖ +beat sends every scheduled tick once .* no tick in 36 s",
        r"✖ +a pod without a policy of its own reaches nothing .* not in the cluster: the NetworkPolicy tempo",
        r"✖ +every other path is blocked .* open: grafana → redis \d+, grafana → redis \d+  ",
        r"✖ +every path that the policies allow is open .* grafana → tempo \d+",
        rf"→ kubectl --context {CONTEXT} --namespace {NAMESPACE} logs --selector=app.kubernetes.io/name=celery-beat",
    ):
        assert re.search(words, output), f"{words}: {output}"
    kubectl("patch", "secret", "arangodb", "--patch", json.dumps({"data": {"password": before}}))
    kubectl("delete", "networkpolicy", "hole", "way")
    assert npm("up", "--force")[0] == 0
    wait_until_healthy()


def test_a_missing_secret_is_named_and_created():
    kubectl("delete", "secret", "grafana")
    kubectl("delete", "pod", "--selector=app.kubernetes.io/name=grafana")
    eventually(lambda: "the Secret grafana is missing" in npm("status")[1], 60, "status names the Secret")
    assert npm("status")[0] == 1
    status, output, _ = npm("secrets")
    assert status == 0 and re.search(r"created +grafana", output), output
    wait_until_healthy()


def test_an_exhausted_quota_is_named():
    kubectl("create", "quota", "small", "--hard=pods=1")
    kubectl("delete", "pod", "--selector=app.kubernetes.io/name=grafana")
    status, output, _ = npm("up", "--timeout", "20")
    assert status == 1 and 'grafana: the quota "small" is exhausted: its pod requests pods=1' in output, output
    kubectl("delete", "quota", "small")
    # The ReplicaSet retries with an increasing delay.
    kubectl("rollout", "restart", "deployment/grafana")
    wait_until_healthy()


def test_a_pod_that_no_node_can_run_is_named():
    terms = [{"matchExpressions": [{"key": "disk", "operator": "In", "values": ["none"]}]}]
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}
    patch = [{"op": "add", "path": "/spec/template/spec/affinity", "value": affinity}]
    kubectl("patch", "deployment", "grafana", "--type=json", f"--patch={json.dumps(patch)}")
    status, output, _ = npm("up", "--timeout", "20")
    assert status == 1 and "grafana: no node can run it: 0/1 nodes are available" in output, output
    kubectl("patch", "deployment", "grafana", "--type=json", '--patch=[{"op":"remove","path":"/spec/template/spec/affinity"}]')
    wait_until_healthy()


def test_a_field_of_another_field_manager_is_named_and_overwritten():
    kubectl("scale", "deployment/grafana", "--replicas=2")
    status, output, _ = npm("up")
    assert status == 2 and "another field manager has set these fields: .spec.replicas (kubectl)" in output, output
    status, output, _ = npm("up", "--force")
    assert status == 0 and "1 changed (Deployment grafana)" in output, output


def test_an_image_that_no_registry_has_is_named(project):
    change(project, "settings/images.ts", r"grafana/grafana:[\w.-]+", "grafana/grafana:99.0.0")
    status, output, _ = npm("up", "--timeout", "30", project=project)
    assert status == 1 and "grafana: cannot pull the image docker.io/grafana/grafana:99.0.0: " in output, output
    assert "kind load docker-image grafana/grafana:99.0.0" in output


def test_the_log_of_a_crashed_container_is_shown(project):
    change(project, "charts/tempo.ts", r"^ {8}server: {", "        nonsense: {}, server: {")
    status, output, _ = npm("up", "--timeout", "60", project=project)
    assert status == 1 and re.search(r"tempo: tempo crashed (once|\d+ times): exited with status \d+", output), output
    assert "nonsense" in output.split("tempo: tempo crashed")[1], f"its log is not shown: {output}"


def test_up_restores_what_was_changed():
    status, output, _ = npm("up")
    assert status == 0 and "2 changed (ConfigMap tempo, Deployment tempo)" in output, output
    wait_until_healthy()


def test_down_keeps_the_data_and_up_continues_after_an_interruption():
    login = 'REDISCLI_AUTH="$(cat /run/secrets/redis/password)" redis-cli'
    assert kubectl("exec", "redis-0", "--container=redis", "--", "sh", "-c", f"{login} set kept yes").strip() == "OK"
    before = values()
    status, output, _ = npm("down")
    assert status == 0 and re.search(rf"kept the namespace {NAMESPACE}, 9 disks and 4 Secrets", output), output
    assert not kubectl("get", "pods,deployments,statefulsets,services,jobs", "--output=name")
    assert npm("status")[0] == 1

    interrupted = subprocess.Popen(["npm", "run", "--silent", "up", "--", "--profile", "dev", "--context", CONTEXT], cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True)
    time.sleep(4)
    os.killpg(interrupted.pid, signal.SIGINT)
    interrupted.wait(10)

    status, output, seconds = npm("up")
    print(f"up again: {seconds:.1f} s")
    assert status == 0, output
    assert values() == before
    assert kubectl("exec", "redis-0", "--container=redis", "--", "sh", "-c", f"{login} get kept").strip() == "yes"


@pytest.mark.parametrize("name", ["redis/password", "arangodb/password", "consul/app-token"])
def test_a_rotated_key_is_valid_everywhere(name):
    before = values()
    status, output, _ = npm("secrets", "--rotate", name, "--yes")
    assert status == 0, output
    after = values()
    assert after[name] != before[name] and {**after, name: ""} == {**before, name: ""}
    assert before[name] not in output and after[name] not in output
    wait_until_healthy(120)


def test_purge_needs_the_name_of_the_profile():
    status, output, _ = npm("down", "--purge", stdin="prod\n")
    assert (status, output) == (2, 'this is not the profile\'s name, "dev": nothing was removed\n')
    status, output, _ = npm("down", "--purge", stdin="dev\n")
    assert status == 0, output
    assert not kubectl("get", "namespace", NAMESPACE, "--ignore-not-found")
    assert not kubectl("get", "persistentvolumes", "--output=name")
