import { Chart, Duration, Size } from 'cdk8s';
import { Cpu } from 'cdk8s-plus-27';
import type { Construct } from 'constructs';
import { Component, type Endpoint, type Shared } from '../lib/component.ts';
import { configMap } from '../lib/config.ts';
import { emptyDir } from '../lib/disk.ts';
import type { Mount } from '../lib/mount.ts';
import type { SecretRef } from '../lib/secret.ts';
import { job } from '../lib/workload.ts';
import type { ArangoDatabase } from './arangodb.ts';
import type { RedisDatabase } from './redis.ts';
import script from './smoke/smoke.py';

interface SmokeProps {
  /** The app's own image: it has Celery, a Redis client and, for the trace to begin here, OpenTelemetry. */
  readonly image: string;
  readonly broker: RedisDatabase;
  readonly results: RedisDatabase;
  readonly cache: RedisDatabase;
  readonly database: ArangoDatabase;
  readonly otlp: Endpoint<'otlp-grpc'>;
  readonly traces: Endpoint<'tempo'>;
  readonly metricStore: Endpoint<'prometheus'>;
  readonly logs: Endpoint<'loki'>;
  readonly dashboards: Endpoint<'grafana'>;
  readonly dashboardsSecret: SecretRef<'admin-password'>;
  readonly consul: Endpoint<'consul'>;
  readonly consulDns: { readonly tcp: Endpoint<'dns'>; readonly udp: Endpoint<'dns-udp'> };
  readonly consulSecret: SecretRef<'app-token'>;
  /** The app's name in its traces and logs. */
  readonly app: string;
  /** The pool that takes from each queue. */
  readonly queues: Readonly<Record<string, string>>;
  /** The name of every Service. */
  readonly services: readonly string[];
}

/** Seconds that smoke.py waits for what it asks about, one after the other. */
const WAITS = {
  /** Until every Service has its name: CoreDNS caches NXDOMAIN for up to 30 s. */
  names: 30,
  /** Until the first task has returned. */
  task: 60,
  /**
   * From then on, until its telemetry is in every store. A span is a metric in Prometheus after up to 40 s: the worker sends it
   * within 5, Tempo collects its metrics every 15, reads them from its log every 15 and sends them within 5.
   */
  arrival: 60,
  /** To remove what was written. */
  removal: 25,
};

/** Seconds until the script runs: the pod is scheduled and its image pulled. */
const START = 60;

/** A Job that asks the running platform for everything it promises. It is ephemeral: no other file changes with it. */
export class Smoke extends Chart {
  constructor(scope: Construct, id: string, shared: Shared, props: SmokeProps) {
    super(scope, id, shared);
    const { broker, results, cache, database, dashboardsSecret, consulDns, consulSecret } = props;
    const component = new Component(this, id, shared, { role: 'smoke', image: props.image, ephemeral: true });
    const file = configMap(component, () => ({ 'smoke.py': script }));

    const redis = ({ endpoint, index }: RedisDatabase) => `redis://${component.connect(endpoint)}/${index}`;
    // Both protocols have one address.
    const dns = [consulDns.udp, consulDns.tcp].map((endpoint) => component.connect(endpoint))[0] ?? '';
    const secrets: readonly Mount[] = [
      database.secret.mount('password'),
      broker.secret.mount('password'),
      ...(cache.secret.name === broker.secret.name ? [] : [cache.secret.mount('password')]),
      dashboardsSecret.mount('admin-password'),
      consulSecret.mount('app-token'),
    ];

    job(
      component,
      {
        priority: 'view',
        // It removes what it wrote, also when it is stopped.
        grace: Duration.seconds(10),
        containers: [
          {
            name: 'smoke',
            image: props.image,
            command: ['python3', '-I', '-B', '/opt/platform/smoke.py'],
            env: {
              BROKER_URL: redis(broker),
              RESULTS_URL: redis(results),
              BROKER_CREDENTIAL: broker.secret.path('password'),
              CACHE_URL: redis(cache),
              CACHE_CREDENTIAL: cache.secret.path('password'),
              ARANGO_URL: `http://${component.connect(database.endpoint)}`,
              ARANGO_DATABASE: database.database,
              ARANGO_USERNAME: database.username,
              ARANGO_CREDENTIAL: database.secret.path('password'),
              OTEL_EXPORTER_OTLP_ENDPOINT: `http://${component.connect(props.otlp)}`,
              OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
              OTEL_SERVICE_NAME: `platform-${id}`,
              TEMPO_URL: `http://${component.connect(props.traces)}`,
              PROMETHEUS_URL: `http://${component.connect(props.metricStore)}`,
              LOKI_URL: `http://${component.connect(props.logs)}`,
              GRAFANA_URL: `http://${component.connect(props.dashboards)}`,
              GRAFANA_CREDENTIAL: dashboardsSecret.path('admin-password'),
              CONSUL_URL: `http://${component.connect(props.consul)}`,
              CONSUL_DNS: dns,
              CONSUL_CREDENTIAL: consulSecret.path('app-token'),
              APP_NAME: props.app,
              QUEUES: JSON.stringify(props.queues),
              SERVICES: props.services.join(','),
              NAMESPACE: shared.namespace,
              WAITS: JSON.stringify(WAITS),
            },
            resources: { cpu: Cpu.millis(50), memory: Size.mebibytes(128) },
            mounts: [file.mount('/opt/platform'), emptyDir('/tmp', 'tmp', Size.mebibytes(16)), ...secrets],
          },
        ],
      },
      Duration.seconds(Object.values(WAITS).reduce((sum, seconds) => sum + seconds, START)),
    );
  }
}
