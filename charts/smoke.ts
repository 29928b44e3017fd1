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
import { files } from './smoke/files.ts';

interface SmokeProps {
  /** The app's image: it has Celery, a Redis client and, for the sending side of traces, OpenTelemetry. */
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
  /** The app's service name in traces and logs. */
  readonly app: string;
  /** The worker pool of each queue. */
  readonly queues: Readonly<Record<string, string>>;
  /** The names of all Services. */
  readonly services: readonly string[];
}

/** Time-outs of the phases of a run, in seconds. They follow one another. */
const PHASES = {
  /** Until every Service resolves: CoreDNS caches NXDOMAIN for up to 30 s. */
  names: 30,
  /** Until the first task has returned. */
  task: 60,
  /**
   * Until the task's telemetry is in every store. A span becomes a metric in Prometheus after up to 40 s: the worker exports it
   * within 5, Tempo collects metrics every 15, reads them from its log every 15 and sends them within 5.
   */
  telemetry: 60,
};

/** Seconds for scheduling the pod and pulling its image, and for removing what the checks wrote. */
const OVERHEAD = 60 + 25;

/** Time-outs of single steps, in seconds. */
const STEPS = {
  /** An HTTP request, a Redis connection, a DNS query. */
  request: 5,
  /** Grafana's health check of a data source, which sends requests itself. */
  datasource: 15,
  /** A command to the broker. */
  broker: 15,
  /** Replies of the workers to one broadcast. */
  inspect: 1.5,
  /** The result of a task. */
  result: 12,
  /** A worker's event. */
  event: 5,
  /** How long beat is watched: longer than one interval of the reference app's schedule. */
  beat: 36,
  /** The end of tasks that still run, and of the subscription to events. */
  stop: 3,
};

/** A Job that checks a running platform from inside. It is an ephemeral component: no other file changes with it. */
export class Smoke extends Chart {
  constructor(scope: Construct, id: string, shared: Shared, props: SmokeProps) {
    super(scope, id, shared);
    const { broker, results, cache, database, dashboardsSecret, consulDns, consulSecret } = props;
    const component = new Component(this, id, shared, { role: 'smoke', image: props.image, ephemeral: true });
    const code = configMap(component, () => files);

    const redis = ({ endpoint, index }: RedisDatabase) => `redis://${component.connect(endpoint)}/${index}`;
    // UDP and TCP share one address.
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
        // A run that is stopped also removes what it wrote.
        grace: Duration.seconds(10),
        containers: [
          {
            name: 'smoke',
            image: props.image,
            command: ['python3', '-I', '-B', '/opt/platform/smoke'],
            env: {
              BROKER_URL: redis(broker),
              RESULTS_URL: redis(results),
              BROKER_PASSWORD_FILE: broker.secret.path('password'),
              CACHE_URL: redis(cache),
              CACHE_PASSWORD_FILE: cache.secret.path('password'),
              ARANGO_URL: `http://${component.connect(database.endpoint)}`,
              ARANGO_DATABASE: database.database,
              ARANGO_USERNAME: database.username,
              ARANGO_PASSWORD_FILE: database.secret.path('password'),
              OTEL_EXPORTER_OTLP_ENDPOINT: `http://${component.connect(props.otlp)}`,
              OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
              OTEL_SERVICE_NAME: `platform-${id}`,
              TEMPO_URL: `http://${component.connect(props.traces)}`,
              PROMETHEUS_URL: `http://${component.connect(props.metricStore)}`,
              LOKI_URL: `http://${component.connect(props.logs)}`,
              GRAFANA_URL: `http://${component.connect(props.dashboards)}`,
              GRAFANA_PASSWORD_FILE: dashboardsSecret.path('admin-password'),
              CONSUL_URL: `http://${component.connect(props.consul)}`,
              CONSUL_DNS: dns,
              CONSUL_TOKEN_FILE: consulSecret.path('app-token'),
              APP_NAME: props.app,
              QUEUES: JSON.stringify(props.queues),
              SERVICES: props.services.join(','),
              NAMESPACE: shared.namespace,
              TIMEOUTS: JSON.stringify({ ...PHASES, ...STEPS }),
            },
            resources: { cpu: Cpu.millis(50), memory: Size.mebibytes(128) },
            mounts: [code.mount('/opt/platform/smoke'), emptyDir('/tmp', 'tmp', Size.mebibytes(16)), ...secrets],
          },
        ],
      },
      Duration.seconds(Object.values(PHASES).reduce((sum, seconds) => sum + seconds, OVERHEAD)),
    );
  }
}
