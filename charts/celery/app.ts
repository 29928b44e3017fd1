import { type Duration, Size } from 'cdk8s';
import type { k8s } from 'cdk8s-plus-27';
import type { Component, Endpoint } from '../../lib/component.ts';
import { configMap } from '../../lib/config.ts';
import { emptyDir, memoryDir } from '../../lib/disk.ts';
import type { Mount } from '../../lib/mount.ts';
import { shell } from '../../lib/pod.ts';
import type { SecretRef } from '../../lib/secret.ts';
import type { ArangoDatabase } from '../arangodb.ts';
import type { RedisDatabase } from '../redis.ts';
import probes from './platform_probes.py';

/** The user's app. */
export interface AppSettings {
  /** `OTEL_SERVICE_NAME`, the service's name in traces and logs. */
  readonly name: string;
  /** The service's version in traces and logs. */
  readonly version: string;
  /** Maximum run time of a task. The soft shutdown, the grace period and the visibility timeout follow from it. */
  readonly longestTask: Duration;
  /** Time after which an unacknowledged task goes to another worker. @default - twice the longest task, at least an hour */
  readonly visibilityTimeout?: Duration;
}

/** The app's settings and the services that it uses. */
export interface AppProps extends AppSettings {
  readonly image: string;
  readonly broker: RedisDatabase;
  readonly results: RedisDatabase;
  readonly cache: RedisDatabase;
  readonly database: ArangoDatabase;
  readonly otlp: Endpoint<'otlp-grpc'>;
  readonly otlpHttp: Endpoint<'otlp-http'>;
  readonly traces: Endpoint<'tempo'>;
  readonly consul: Endpoint<'consul'>;
  readonly datacenter: string;
  readonly consulSecret: SecretRef<'app-token'>;
}

/** Why Secrets are environment variables of the app's pods. */
export const SECRET_ENV_REASON = 'the app reads its passwords from the variables in docs/your-app.md';

const PROBE_FOLDER = '/run/platform';
const MODULE_FOLDER = '/opt/platform';

/** The app's environment variables, with every name of the former compose file. docs/your-app.md lists them. */
export function appEnv(component: Component, props: AppProps): Record<string, string | k8s.EnvVarSource> {
  const { broker, results, cache, database } = props;
  const redis = (password: string, { endpoint, index }: RedisDatabase) => `redis://:$(${password})@${component.connect(endpoint)}/${index}`;
  return {
    ARANGO_URL: `http://${component.connect(database.endpoint)}`,
    ARANGO_ROOT_PASSWORD: database.secret.env('root-password'),
    ARANGO_DATABASE: database.database,
    ARANGO_USERNAME: database.username,
    ARANGO_PASSWORD: database.secret.env('password'),
    REDIS_PASSWORD: cache.secret.env('password'),
    REDIS_URL: redis('REDIS_PASSWORD', cache),
    CELERY_BROKER_PASSWORD: broker.secret.env('password'),
    CELERY_BROKER_URL: redis('CELERY_BROKER_PASSWORD', broker),
    CELERY_RESULT_BACKEND: redis('CELERY_BROKER_PASSWORD', results),
    POD_NAME: { fieldRef: { fieldPath: 'metadata.name' } },
    POD_NAMESPACE: { fieldRef: { fieldPath: 'metadata.namespace' } },
    NODE_NAME: { fieldRef: { fieldPath: 'spec.nodeName' } },
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://${component.connect(props.otlp)}`,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
    // For libraries that support OTLP over HTTP only.
    OTLP_HTTP_ENDPOINT: `http://${component.connect(props.otlpHttp)}`,
    OTEL_SERVICE_NAME: props.name,
    OTEL_RESOURCE_ATTRIBUTES: [
      `service.name=${props.name}`,
      `service.version=${props.version}`,
      'service.instance.id=$(POD_NAME)',
      'k8s.pod.name=$(POD_NAME)',
      'k8s.node.name=$(NODE_NAME)',
      'k8s.namespace.name=$(POD_NAMESPACE)',
    ].join(','),
    CONSUL_HTTP_ADDR: `http://${component.connect(props.consul)}`,
    CONSUL_HTTP_TOKEN: props.consulSecret.env('app-token'),
    CONSUL_DATACENTER: props.datacenter,
    TEMPO_ENDPOINT: `http://${component.connect(props.traces)}`,
    PLATFORM_PROBES: PROBE_FOLDER,
    PYTHONDONTWRITEBYTECODE: '1',
    PYTHONUNBUFFERED: '1',
  };
}

/** The module `platform_probes`, the folder of its files, and /tmp. */
export function appMounts(component: Component): readonly Mount[] {
  const module = configMap(component, () => ({ 'platform_probes.py': probes }), `${component.name}-probes`);
  return [module.mount(MODULE_FOLDER), memoryDir(PROBE_FOLDER, 'probes', Size.mebibytes(1)), emptyDir('/tmp', 'tmp', Size.mebibytes(128))];
}

/**
 * Arguments that run celery with the module on its path. They are no `command`, so the image's entrypoint still applies.
 * Removes the probe files of a former container of the pod.
 */
export function celeryArgs(...args: readonly string[]): readonly string[] {
  return [
    'sh',
    '-c',
    `rm -f ${PROBE_FOLDER}/alive ${PROBE_FOLDER}/ready; export PYTHONPATH="${MODULE_FOLDER}\${PYTHONPATH:+:$PYTHONPATH}"; exec "$0" "$@"`,
    'celery',
    '-A',
    'main.celery',
    ...args,
  ];
}

/** Succeeds while the file that the module touches is younger than `seconds`. Starting Python for each probe would be expensive. */
export function livenessProbe(seconds: number): k8s.Probe {
  const file = `${PROBE_FOLDER}/alive`;
  return { ...shell(`test -e ${file} && test $(( $(date +%s) - $(stat -c %Y ${file}) )) -lt ${seconds}`), periodSeconds: 15 };
}

/** Succeeds while the module's file exists. */
export function readinessProbe(): k8s.Probe {
  return shell(`test -e ${PROBE_FOLDER}/ready`);
}
