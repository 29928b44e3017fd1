"""The Job's environment and Secret files, read once."""

import json
import uuid
from pathlib import Path
from types import SimpleNamespace


class Settings:
    def __init__(self, env):
        def secret(name):
            return Path(env[name]).read_text().rstrip("\n")

        self.name, self.app, self.namespace = env["OTEL_SERVICE_NAME"], env["APP_NAME"], env["NAMESPACE"]
        self.services = env["SERVICES"].split(",")
        # Each queue's worker pool.
        self.queues = json.loads(env["QUEUES"])
        # main.note is in the app, and any worker runs it.
        self.note_queue = next(iter(self.queues))
        # Seconds; charts/smoke.ts explains each of them.
        self.timeouts = SimpleNamespace(**json.loads(env["TIMEOUTS"]))
        # Identifies this run's data.
        self.run = uuid.uuid4().hex

        self.broker_url, self.results_url, self.broker_password = env["BROKER_URL"], env["RESULTS_URL"], secret("BROKER_PASSWORD_FILE")
        self.cache_url, self.cache_password = env["CACHE_URL"], secret("CACHE_PASSWORD_FILE")
        self.arango_url, self.arango_database = env["ARANGO_URL"], env["ARANGO_DATABASE"]
        self.arango_username, self.arango_password = env["ARANGO_USERNAME"], secret("ARANGO_PASSWORD_FILE")
        self.tempo_url, self.prometheus_url, self.loki_url = env["TEMPO_URL"], env["PROMETHEUS_URL"], env["LOKI_URL"]
        self.grafana_url, self.grafana_password = env["GRAFANA_URL"], secret("GRAFANA_PASSWORD_FILE")
        self.consul_url, self.consul_dns, self.consul_token = env["CONSUL_URL"], env["CONSUL_DNS"], secret("CONSUL_TOKEN_FILE")

    @property
    def secrets(self):
        return self.broker_password, self.cache_password, self.arango_password, self.grafana_password, self.consul_token
