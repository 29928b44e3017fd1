"""ArangoDB: the note that the task wrote, and the limits of the app's user."""

import json
from urllib.parse import quote

from .check import Failed, basic_auth, logs


class ArangoDB:
    def __init__(self, settings, note):
        self.settings, self.note = settings, note
        self.url, self.database = settings.arango_url, f"{settings.arango_url}/_db/{quote(settings.arango_database, safe='')}"
        self.document = f"{self.database}/_api/document/notes/{note.key}"
        self.user = basic_auth(settings.arango_username, settings.arango_password)

    def checks(self):
        yield "the task's note is in ArangoDB, readable by the app's user", self.stores_note, logs("arangodb")
        yield "the app's user of ArangoDB reaches no other database and creates none", self.confines_user, logs("arangodb-bootstrap")
        yield "ArangoDB refuses missing and wrong passwords", self.refuses_wrong_passwords, logs("arangodb")

    def stores_note(self, check):
        trace_id = self.note.trace_id(check)
        document = check.get(self.document, self.user)
        if (document.get("text"), document.get("trace")) != (self.note.text, trace_id):
            raise Failed(f"the note {self.note.key} is from another run: {document.get('text')}")

    def confines_user(self, check):
        databases = check.get(f"{self.database}/_api/database/user", self.user)["result"]
        if databases != [self.settings.arango_database]:
            raise Failed(f"the user has access to {', '.join(databases)}")
        body = json.dumps({"name": "smoke_refused"}).encode()
        for base in (self.url, self.database):
            check.expect_refusal("POST", f"{base}/_api/database", self.user, body)
        for other in ("_system", "metrics"):
            check.expect_refusal("GET", f"{self.url}/_db/{other}/_api/collection", self.user)

    def refuses_wrong_passwords(self, check):
        wrong, username = self.settings.run, self.settings.arango_username
        for headers in ({}, basic_auth(username, wrong), basic_auth("root", wrong), basic_auth("root", "")):
            check.expect_refusal("GET", f"{self.database}/_api/collection", headers)

    def cleanups(self, check):
        yield "the note", lambda: check.delete(self.document, self.user)
