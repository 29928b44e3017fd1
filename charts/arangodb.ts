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
import type { RuleGroup } from './prometheus/rules/group.ts';

const PORTS = { arangodb: 8529 };
const DATA = '/var/lib/arangodb3';

/**
 * No user of a database may run JavaScript in the server, where it could read files and variables: not in transactions, tasks,
 * functions of AQL or Foxx services. What the web interface runs sees no file but its own, and of the variables the host's name.
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
  readonly disk: Size;
  /** The app's database and the user that owns it; the Job makes both. */
  readonly database: string;
  readonly username: string;
  /** Moves the data to the image's release, once, instead of serving it: see docs/arangodb-3.12.md. @default - it serves */
  readonly upgrade?: true;
  /** ArangoDB 3.12 has a licence, under which its data may exceed 100 GiB. @default - an alert comes at 80 GiB */
  readonly licensed?: true;
}

interface ArangoDBProps extends ArangoDBSettings {
  readonly image: string;
  /** Any image with python3 3.9 or later: the app's own has it. */
  readonly python: string;
  readonly secret: SecretRef<'root-password' | 'password' | 'metrics-password'>;
}

/** What an app needs to open its database. */
export interface ArangoDatabase {
  readonly endpoint: Endpoint<'arangodb'>;
  readonly database: string;
  readonly username: string;
  readonly secret: SecretRef<'root-password' | 'password'>;
}

/** One ArangoDB server, and the Job that makes the app's database and users in it. */
export class ArangoDB extends Chart {
  /** Seconds that it needs to stop without losing data. */
  static readonly minimumGrace = 60;
  readonly app: ArangoDatabase;
  readonly metrics: ScrapeTarget;
  /** Alerts that only some releases need. */
  readonly alerts: readonly RuleGroup[];

  constructor(scope: Construct, id: string, shared: Shared, props: ArangoDBProps) {
    super(scope, id, shared);
    const { database, username, secret, resources } = props;
    const component = new Component(this, id, shared, { role: 'database', image: props.image });
    // A busy or failed server answers its readiness probe with 503: its metrics must be found then above all.
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
      // arangod sizes its caches by the node's memory and threads by its cores unless told the pod's.
      ARANGODB_OVERRIDE_DETECTED_TOTAL_MEMORY: detected,
      ARANGODB_OVERRIDE_DETECTED_NUMBER_OF_CORES: `${Math.ceil(cpuLimit(resources.cpu) / 1000)}`,
      // Interleaved memory needs a capability that the container does not have.
      NUMA: 'disable',
    };
    const mounts = [
      // Foxx is off: nothing is installed here.
      emptyDir('/var/lib/arangodb3-apps', 'apps', Size.mebibytes(64)),
      emptyDir('/tmp', 'tmp', Size.mebibytes(64)),
    ];
    statefulSet(component, {
      service,
      priority: 'data',
      // Only the upgrade may mount the disk while it runs.
      replicas: props.upgrade ? 0 : 1,
      // RocksDB flushes on SIGTERM.
      grace: Duration.minutes(2),
      // The image's own files are for any user of group 0.
      group: 0,
      secretEnvReason: 'arangod reads the password that it sets at every start from a variable',
      containers: [
        {
          name: 'arangodb',
          image: props.image,
          args,
          env: {
            // The image's entrypoint makes no database without it.
            ARANGO_ROOT_PASSWORD: secret.env('root-password'),
            // arangod sets root's password at every start, before it serves. Otherwise an interrupted first start leaves it empty.
            ARANGODB_DEFAULT_ROOT_PASSWORD: secret.env('root-password'),
            ...env,
          },
          ports: PORTS,
          resources,
          mounts: [volumeClaimTemplate(DATA, 'data', props.disk, shared), ...mounts],
          // The one path that answers without a login and reports whether requests are served; recovery may replay for half an hour.
          startup: { ...http('/_admin/server/availability', 'arangodb'), periodSeconds: 5, failureThreshold: 360 },
          readiness: http('/_admin/server/availability', 'arangodb'),
          // Availability turns 503 when the server is busy: no reason to kill it.
          liveness: tcp('arangodb'),
        },
      ],
    });

    if (props.upgrade) {
      // arangod upgrades the data and exits. It fails while the former server still holds RocksDB's lock, and the Job tries again.
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

    const maker = new Component(this, `${id}-bootstrap`, shared, { role: 'bootstrap', image: props.python });
    const script = configMap(maker, () => ({ 'bootstrap.py': bootstrap }));
    job(maker, {
      priority: 'data',
      grace: Duration.seconds(5),
      containers: [
        {
          name: 'bootstrap',
          image: props.python,
          command: ['python3', '-I', '-B', '/opt/platform/bootstrap.py'],
          env: {
            ARANGO_URL: `http://${maker.connect(service.endpoints.arangodb)}`,
            ARANGO_DATABASE: database,
            ARANGO_USERNAME: username,
            CREDENTIALS: `/run/secrets/${secret.name}`,
          },
          resources: { cpu: Cpu.millis(5), memory: Size.mebibytes(48) },
          mounts: [script.mount('/opt/platform'), secret.mount('root-password', 'password', 'metrics-password')],
        },
      ],
    });

    // Up to 3.11 the licence is Apache 2.0.
    this.alerts = props.licensed || /^3\.11\b/.test(tagOf(props.image)) ? [] : [community];
    this.app = { endpoint: service.endpoints.arangodb, database, username, secret };
    this.metrics = {
      endpoint: service.endpoints.arangodb,
      path: '/_db/metrics/_admin/metrics/v2',
      auth: { user: 'metrics', passwordFile: secret.path('metrics-password') },
    };
  }
}
