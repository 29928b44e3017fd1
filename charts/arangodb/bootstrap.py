"""Makes the app's database and users in ArangoDB, or finds that nothing is to be done. Safe to run at any time.

Reads ARANGO_URL, ARANGO_DATABASE, ARANGO_USERNAME and, from the folder CREDENTIALS, the files root-password,
password and metrics-password. Prints one line a fact and no secret. Exit status 1 with one sentence when it cannot.
"""

import base64
import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote

URL = os.environ["ARANGO_URL"]
PATIENCE = 600  # seconds: the first start of a database with a slow disk


class Refusal(Exception):
    """Why this cannot go on, for a person."""


def call(method, path, login=None, body=None):
    """The status and the JSON of one request."""
    headers = {"Content-Type": "application/json"}
    if login:
        headers["Authorization"] = "Basic " + base64.b64encode(":".join(login).encode()).decode()
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(URL + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, parse(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, parse(error.read())
    except (OSError, http.client.HTTPException) as error:
        raise Refusal(f"{method} {URL}{path}: {getattr(error, 'reason', error)}; the next try begins anew") from None


def parse(text):
    try:
        answer = json.loads(text)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def expect(method, path, login, body=None, codes=(200, 201)):
    """As call, but any other status is a refusal."""
    status, answer = call(method, path, login, body)
    if status not in codes:
        raise Refusal(f"{method} {path} answered {status}: {answer.get('errorMessage', 'nothing more')}")
    return status, answer


def wait():
    """Until the server serves requests: the one path that answers without a login."""
    start = time.monotonic()
    said = 0.0
    while True:
        try:
            if call("GET", "/_admin/server/availability")[0] == 200:
                return
            why = "it is not ready"
        except Refusal:
            why = "it does not answer"
        waited = time.monotonic() - start
        if waited > PATIENCE:
            raise Refusal(f"gave up on {URL} after {PATIENCE} s: {why}")
        if waited - said >= 10:
            said = waited
            print(f"waiting for {URL}: {why}", flush=True)
        time.sleep(1)


def database(root, name):
    status, _ = expect("POST", "/_api/database", root, {"name": name}, (201, 409))
    print(f"database {name}: {'created' if status == 201 else 'unchanged'}")


def user(root, name, password, base, level):
    """The user with this password, whatever it was before, and with this right on the database `base` alone."""
    path = f"/_api/user/{quote(name, safe='')}"
    where = quote(base, safe="")
    status, _ = expect("POST", "/_api/user", root, {"user": name, "passwd": password}, (201, 409))
    if status == 201:
        print(f"user {name}: created")
    if expect("GET", f"{path}/database/{where}", root)[1].get("result") != level:
        expect("PUT", f"{path}/database/{where}", root, {"grant": level})
        print(f"user {name}: {level} on {base}")
    # Asking which database this is needs no other right than the one just given.
    status, _ = expect("GET", f"/_db/{where}/_api/database/current", (name, password), codes=(200, 401))
    if status == 200:
        print(f"user {name}: password right")
    else:
        expect("PATCH", path, root, {"passwd": password, "active": True})
        print(f"user {name}: password repaired")


def secret(name):
    """The value as it is, newline and all: ArangoDB and the app get the same as a variable."""
    return Path(os.environ["CREDENTIALS"], name).read_bytes().decode()


def main():
    name, app = os.environ["ARANGO_DATABASE"], os.environ["ARANGO_USERNAME"]
    # Root would get the app's password and nobody could repair it; metrics would get the app's data.
    if app in ("root", "metrics") or name in ("_system", "metrics"):
        raise Refusal(f"the app cannot be the user {app} of the database {name}: root, _system and metrics are taken")
    root = ("root", secret("root-password"))
    wait()
    if expect("GET", "/_api/user/root", root, codes=(200, 401))[0] == 401:
        raise Refusal(
            "the root password in the Secret is not the database's: ArangoDB takes it from the Secret whenever it starts. "
            "Restart the StatefulSet of ArangoDB; the Job's next try then succeeds"
        )
    database(root, name)
    user(root, app, secret("password"), name, "rw")
    # Who may open any database may read the server's metrics through it: this one is empty.
    database(root, "metrics")
    # Prometheus trims the file that it reads.
    user(root, "metrics", secret("metrics-password").strip(), "metrics", "ro")


if __name__ == "__main__":
    try:
        main()
    except Refusal as refusal:
        sys.exit(f"bootstrap: {refusal}")
