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

/** The settings that the worker and the scheduler of the app share. */
export interface AppSettings {
  /** The service name in traces. */
  readonly name: string;
  readonly version: string;
  /** The longest run time of a task: soft shutdown, grace period and visibility timeout derive from it. */
  readonly longestTask: Duration;
  /** The time after which another worker gets an unacknowledged task. @default - twice the longest task, at least an hour */
  readonly visibilityTimeout?: Duration;
}

/** The settings and connections of the app. */
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

/** Why the pods of the app have Secrets in variables. */
export const SECRET_ENV_REASON = 'the app is promised its passwords in variables, as docs/your-app.md lists them';

const PROBES = '/run/platform';
const MODULE = '/opt/platform';

/** The app's environment: every name that the compose file and its env file gave it, and what they lacked. */
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
    // For what speaks OTLP by HTTP only.
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
    PLATFORM_PROBES: PROBES,
    PYTHONDONTWRITEBYTECODE: '1',
    PYTHONUNBUFFERED: '1',
  };
}

/** The module that the chart brings along, the folder of its files, and a /tmp on the read-only root. */
export function appMounts(component: Component): readonly Mount[] {
  const module = configMap(component, () => ({ 'platform_probes.py': probes }), `${component.name}-probes`);
  return [module.mount(MODULE), memoryDir(PROBES, 'probes', Size.mebibytes(1)), emptyDir('/tmp', 'tmp', Size.mebibytes(128))];
}

/**
 * Runs celery with the module on its path: as arguments, so that an entrypoint of the image keeps its say.
 * What the probes saw of a former container of this pod says nothing of this one.
 */
export function celery(...args: readonly string[]): readonly string[] {
  return [
    'sh',
    '-c',
    `rm -f ${PROBES}/alive ${PROBES}/ready; export PYTHONPATH="${MODULE}\${PYTHONPATH:+:$PYTHONPATH}"; exec "$0" "$@"`,
    'celery',
    '-A',
    'main.celery',
    ...args,
  ];
}

/** Alive while the file that the module touches is there and younger than `seconds`; no Python is started to ask. */
export function alive(seconds: number): k8s.Probe {
  const file = `${PROBES}/alive`;
  return { ...shell(`test -e ${file} && test $(( $(date +%s) - $(stat -c %Y ${file}) )) -lt ${seconds}`), periodSeconds: 15 };
}

/** Ready while the file is there. */
export function ready(): k8s.Probe {
  return shell(`test -e ${PROBES}/ready`);
}
