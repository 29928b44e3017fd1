import { Chart, Duration, Size } from 'cdk8s';
import { Cpu } from 'cdk8s-plus-27';
import type { Construct } from 'constructs';
import { Component, type Endpoint, type Shared } from '../lib/component.ts';
import { configMap } from '../lib/config.ts';
import { emptyDir, volumeClaimTemplate } from '../lib/disk.ts';
import { tagOf } from '../lib/image.ts';
import { cpuLimit, http, type Resources, tcp } from '../lib/pod.ts';
import type { ScrapeTarget } from '../lib/scrape-target.ts';
import type { SecretRef } from '../lib/secret.ts';
import { job, statefulSet } from '../lib/workload.ts';
import bootstrap from './arangodb/bootstrap.py';
import { community } from './arangodb/community.ts';
import { memory } from './arangodb/memory.ts';
import type { AlertGroup } from './prometheus/rules/group.ts';

const PORTS = { arangodb: 8529 };
const DATA = '/var/lib/arangodb3';

/**
 * Database users cannot run JavaScript in the server, where it could read files and variables: not in transactions, tasks, AQL functions
 * or Foxx services. The JavaScript of the web interface can read only its own files and the variable HOSTNAME.
 */
const NO_JAVASCRIPT = [
  '--javascript.transactions=false',
  '--javascript.tasks=false',
  '--javascript.user-defined-functions=false',
  '--foxx.api=false',
  '--foxx.queues=false',
  '--javascript.harden=true',
  '--javascript.files-allowlist=^$',
  '--javascript.environment-variables-allowlist=^HOSTNAME$',
  '--javascript.startup-options-denylist=.*',
];

export interface ArangoDBSettings {
  readonly resources: Resources;
  /** Size of its disk. */
  readonly disk: Size;
  /** The app's database, which the bootstrap Job creates. */
  readonly database: string;
  /** The user that owns it. */
  readonly username: string;
  /** Stops the server and upgrades the data to the image's release: see docs/arangodb-3.12.md. @default - the server runs */
  readonly upgrade?: true;
  /** ArangoDB 3.12 has a licence for more than 100 GiB of data. @default - an alert fires at 80 GiB */
  readonly licensed?: true;
}

interface ArangoDBProps extends ArangoDBSettings {
  readonly image: string;
  /** Any image with Python 3.9 or later, such as the app's. */
  readonly python: string;
  readonly secret: SecretRef<'root-password' | 'password' | 'metrics-password'>;
}

/** The app's database and its credentials. */
export interface ArangoDatabase {
  readonly endpoint: Endpoint<'arangodb'>;
  readonly database: string;
  readonly username: string;
  readonly secret: SecretRef<'root-password' | 'password'>;
}

/** One ArangoDB server, and the Job that creates the app's database and users. */
export class ArangoDB extends Chart {
  /** Seconds that it needs to stop without losing data. */
  static readonly minimumGrace = 60;
  readonly app: ArangoDatabase;
  readonly metrics: ScrapeTarget;
  /** Alerts that only some releases need. Empty for the others. */
  readonly alerts: readonly AlertGroup[];

  constructor(scope: Construct, id: string, shared: Shared, props: ArangoDBProps) {
    super(scope, id, shared);
    const { database, username, secret, resources } = props;
    const component = new Component(this, id, shared, { role: 'database', image: props.image });
    // Prometheus must find a server that is not ready, because it is busy or failed.
    const service = component.serve(PORTS, { headless: true, publishNotReadyAddresses: true });

    const { detected, options } = memory(resources.memory);
    const args = [
      'arangod',
      '--log.use-json-format=true',
      '--server.telemetrics-api=false',
      // Prometheus keeps the history.
      '--server.statistics-history=false',
      ...NO_JAVASCRIPT,
      ...options,
    ];
    const env = {
      // Otherwise arangod sizes its caches and threads by the node's memory and cores.
      ARANGODB_OVERRIDE_DETECTED_TOTAL_MEMORY: detected,
      ARANGODB_OVERRIDE_DETECTED_NUMBER_OF_CORES: `${Math.ceil(cpuLimit(resources.cpu) / 1000)}`,
      // Interleaving memory requires a capability that the container lacks.
      NUMA: 'disable',
    };
    const mounts = [
      // arangod requires the folder; Foxx is disabled.
      emptyDir('/var/lib/arangodb3-apps', 'apps', Size.mebibytes(64)),
      emptyDir('/tmp', 'tmp', Size.mebibytes(64)),
    ];
    statefulSet(component, {
      service,
      priority: 'data',
      // The upgrade needs the disk for itself.
      replicas: props.upgrade ? 0 : 1,
      // RocksDB flushes on SIGTERM.
      grace: Duration.minutes(2),
      // The image's files belong to group 0.
      group: 0,
      secretEnvReason: 'arangod reads the root password from a variable at every start',
      containers: [
        {
          name: 'arangodb',
          image: props.image,
          args: [...args, `--server.endpoint=tcp://0.0.0.0:${PORTS.arangodb}`],
          env: {
            // The image's entrypoint requires it to create the database.
            ARANGO_ROOT_PASSWORD: secret.env('root-password'),
            // Sets root's password at every start: an interrupted first start would otherwise leave it empty.
            ARANGODB_DEFAULT_ROOT_PASSWORD: secret.env('root-password'),
            ...env,
          },
          ports: PORTS,
          resources,
          mounts: [volumeClaimTemplate(DATA, 'data', props.disk, shared), ...mounts],
          // The only path that reports availability without a login. Recovery may take 30 minutes.
          startup: { ...http('/_admin/server/availability', 'arangodb'), periodSeconds: 5, failureThreshold: 360 },
          readiness: http('/_admin/server/availability', 'arangodb'),
          // A busy server answers /availability with 503, and must not be restarted.
          liveness: tcp('arangodb'),
        },
      ],
    });

    if (props.upgrade) {
      // arangod upgrades the data and exits. It fails while the old server still holds RocksDB's lock, and the Job retries.
      job(new Component(this, `${id}-upgrade`, shared, { role: 'upgrade', image: props.image }), {
        priority: 'data',
        grace: Duration.minutes(2),
        group: 0,
        containers: [
          {
            name: 'arangodb',
            image: props.image,
            args: [...args, '--database.auto-upgrade=true'],
            env,
            resources,
            mounts: [{ path: DATA, name: 'data', volume: { persistentVolumeClaim: { claimName: `data-${id}-0` } } }, ...mounts],
          },
        ],
      });
    }

    const bootstrapper = new Component(this, `${id}-bootstrap`, shared, { role: 'bootstrap', image: props.python });
    const script = configMap(bootstrapper, () => ({ 'bootstrap.py': bootstrap }));
    job(bootstrapper, {
      priority: 'data',
      grace: Duration.seconds(5),
      containers: [
        {
          name: 'bootstrap',
          image: props.python,
          command: ['python3', '-I', '-B', '/opt/platform/bootstrap.py'],
          env: {
            ARANGO_URL: `http://${bootstrapper.connect(service.endpoints.arangodb)}`,
            ARANGO_DATABASE: database,
            ARANGO_USERNAME: username,
            CREDENTIALS: `/run/secrets/${secret.name}`,
          },
          resources: { cpu: Cpu.millis(5), memory: Size.mebibytes(48) },
          mounts: [script.mount('/opt/platform'), secret.mount('root-password', 'password', 'metrics-password')],
        },
      ],
    });

    // ArangoDB 3.11 has no size limit (Apache 2.0).
    this.alerts = props.licensed || /^3\.11\b/.test(tagOf(props.image)) ? [] : [community];
    this.app = { endpoint: service.endpoints.arangodb, database, username, secret };
    this.metrics = {
      endpoint: service.endpoints.arangodb,
      path: '/_db/metrics/_admin/metrics/v2',
      auth: { user: 'metrics', passwordFile: secret.path('metrics-password') },
    };
  }
}
