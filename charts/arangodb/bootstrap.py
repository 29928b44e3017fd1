"""Creates the app's database and users in ArangoDB, and repairs their passwords and access. Safe to run at any time.

Reads ARANGO_URL, ARANGO_DATABASE and ARANGO_USERNAME, and the files root-password, password and metrics-password in the folder
CREDENTIALS. Prints one line per database, user and change, and no secret. On an error, prints a sentence and exits with 1.
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
START_TIMEOUT = 600  # seconds: the first start of a database on a slow disk


class BootstrapError(Exception):
    """The message is shown to the user."""


def call(method, path, login=None, body=None):
    """Returns the status and the JSON of one request."""
    headers = {"Content-Type": "application/json"}
    if login:
        headers["Authorization"] = "Basic " + base64.b64encode(":".join(login).encode()).decode()
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(URL + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, parse(response.read())
    except urllib.error.HTTPError as error:
        return error.code, parse(error.read())
    except (OSError, http.client.HTTPException) as error:
        raise BootstrapError(f"{method} {URL}{path}: {getattr(error, 'reason', error)}; the Job tries again") from None


def parse(text):
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def expect(method, path, login, body=None, codes=(200, 201)):
    """Like call, but raises on any other status."""
    status, answer = call(method, path, login, body)
    if status not in codes:
        raise BootstrapError(f"{method} {path} answered {status}: {answer.get('errorMessage', 'no error message')}")
    return status, answer


def wait_for_server():
    """Waits until the server serves requests. This path needs no login."""
    start = printed = time.monotonic()
    while True:
        try:
            if call("GET", "/_admin/server/availability")[0] == 200:
                return
            reason = "it is not ready"
        except BootstrapError:
            reason = "it does not respond"
        now = time.monotonic()
        if now - start > START_TIMEOUT:
            raise BootstrapError(f"gave up on {URL} after {START_TIMEOUT} s: {reason}")
        if now - printed >= 10:
            printed = now
            print(f"waiting for {URL}: {reason}", flush=True)
        time.sleep(1)


def create_database(root, name):
    status, _ = expect("POST", "/_api/database", root, {"name": name}, (201, 409))
    print(f"database {name}: {'created' if status == 201 else 'unchanged'}")


def create_user(root, name, password, database, access):
    """Creates the user, or sets its password and its access to the one database."""
    path, quoted = f"/_api/user/{quote(name, safe='')}", quote(database, safe="")
    status, _ = expect("POST", "/_api/user", root, {"user": name, "passwd": password}, (201, 409))
    if status == 201:
        print(f"user {name}: created")
    if expect("GET", f"{path}/database/{quoted}", root)[1].get("result") != access:
        expect("PUT", f"{path}/database/{quoted}", root, {"grant": access})
        print(f"user {name}: {access} on {database}")
    # This request needs no access beyond the one just granted.
    status, _ = expect("GET", f"/_db/{quoted}/_api/database/current", (name, password), codes=(200, 401))
    if status == 200:
        print(f"user {name}: password unchanged")
    else:
        expect("PATCH", path, root, {"passwd": password, "active": True})
        print(f"user {name}: password repaired")


def secret(name):
    """Returns the value unstripped: ArangoDB and the app get the same bytes from a variable."""
    return Path(os.environ["CREDENTIALS"], name).read_bytes().decode()


def main():
    database, username = os.environ["ARANGO_DATABASE"], os.environ["ARANGO_USERNAME"]
    # As root, the app would replace root's password; in metrics, Prometheus could read the app's data.
    if username in ("root", "metrics") or database in ("_system", "metrics"):
        raise BootstrapError(f"the app cannot be the user {username} of the database {database}: root, _system and metrics are reserved")
    root = ("root", secret("root-password"))
    wait_for_server()
    if expect("GET", "/_api/user/root", root, codes=(200, 401))[0] == 401:
        raise BootstrapError(
            "the root password in the Secret is not the database's: ArangoDB sets it from the Secret at each start. "
            "Restart the StatefulSet of ArangoDB; the Job then succeeds at its next try"
        )
    create_database(root, database)
    create_user(root, username, secret("password"), database, "rw")
    # A user with access to any database may read the server's metrics through it; this database is empty.
    create_database(root, "metrics")
    # Prometheus strips the password that it reads from a file.
    create_user(root, "metrics", secret("metrics-password").strip(), "metrics", "ro")


if __name__ == "__main__":
    try:
        main()
    except BootstrapError as error:
        sys.exit(f"bootstrap: {error}")
