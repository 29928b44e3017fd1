import pytest

from .arangodb import ArangoDB
from .conftest import TRACE

USER = "user:ARANGO_PASSWORD-Pa55"


@pytest.fixture
def arangodb(settings, note):
    return ArangoDB(settings, note)


def only(login, response):
    return lambda request: response if request.login == login else (401, {})


def test_the_note_is_that_of_this_run(arangodb, servers, note, run_check):
    path = "/_db/db/_api/document/notes/platform-smoke"
    servers.responses[path] = only(USER, (200, {"text": note.text, "trace": TRACE}))
    assert run_check(arangodb.stores_note)["state"] == "ok"
    servers.responses[path] = only(USER, (200, {"text": "older", "trace": TRACE}))
    assert run_check(arangodb.stores_note)["detail"] == "the note platform-smoke is from another run: older"


def test_the_user_reaches_its_own_database_only(arangodb, servers, run_check):
    for path in ("/_api/database", "/_db/db/_api/database", "/_db/_system/_api/collection", "/_db/metrics/_api/collection"):
        servers.responses[path] = 403, {}
    servers.responses["/_db/db/_api/database/user"] = only(USER, (200, {"result": ["db"]}))
    assert run_check(arangodb.confines_user)["state"] == "ok"
    for path in ("/_api/database", "/_db/db/_api/database", "/_db/_system/_api/collection", "/_db/metrics/_api/collection"):
        servers.responses[path] = 200, {}
        assert f"{path} returned 200" in run_check(arangodb.confines_user)["detail"]
        servers.responses[path] = 403, {}
    servers.responses["/_db/db/_api/database/user"] = 200, {"result": ["db", "other"]}
    assert run_check(arangodb.confines_user)["detail"] == "the user has access to db, other"


@pytest.mark.parametrize("accepted", ["", "user:", "root:", "root:x"])
def test_a_login_that_should_be_refused_is_found(arangodb, servers, settings, run_check, accepted):
    user, colon, password = accepted.partition(":")
    login = f"{user}:{settings.run if (user, password) != ('root', '') else ''}" if colon else ""
    servers.responses["/_db/db/_api/collection"] = only("nobody", (200, {}))
    assert run_check(arangodb.refuses_wrong_passwords)["state"] == "ok"
    servers.responses["/_db/db/_api/collection"] = only(login, (200, {}))
    assert run_check(arangodb.refuses_wrong_passwords)["state"] == "failed"
