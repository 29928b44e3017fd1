import pytest

from .consul import Consul

KEY = "/v1/kv/app/platform-smoke"


class Store:
    """One key of Consul. It refuses every token but the Secret's, except for the `open` methods."""

    def __init__(self, open=(), keeps=False, written=None):
        self.open, self.keeps, self.written, self.value = open, keeps, written, None

    def __call__(self, request):
        if request.token != "CONSUL_TOKEN-Pa55" and request.command not in self.open:
            return 403, "Permission denied"
        if request.command == "PUT":
            self.value = self.written or request.body
        elif request.command == "GET":
            return (200, self.value) if self.value else (404, "")
        elif not self.keeps:
            self.value = None
        return 200, "true"


@pytest.mark.parametrize(("store", "state", "words"), [
    (Store(), "ok", ""),
    (Store(keeps=True), "failed", "returned 200 after the key was deleted"),
    (Store(written="another"), "failed", "platform-smoke?raw returned 200: another"),
    (Store(open=["PUT"]), "failed", "returned 200 instead of 401 or 403"),
    (Store(open=["GET"]), "failed", "returned 404 instead of 401 or 403"),
])
def test_a_key_is_written_read_and_deleted_with_the_token_only(settings, servers, run_check, store, state, words):
    servers.responses[KEY] = store
    line = run_check(Consul(settings).stores_key)
    assert line["state"] == state and words in line["detail"]


@pytest.mark.parametrize(("store", "state"), [(Store(), "ok"), (Store(open=["PUT"]), "failed")])
def test_an_unknown_token_is_refused(settings, servers, run_check, store, state):
    servers.responses[KEY] = store
    assert run_check(Consul(settings).refuses_wrong_tokens)["state"] == state
    assert {request.token is None for request in servers.requests} >= {True}
