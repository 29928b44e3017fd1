import { Chart, Duration, Size } from 'cdk8s';
import { Cpu } from 'cdk8s-plus-27';
import type { Construct } from 'constructs';
import { config } from '../lib/config.ts';
import { ownDisk, scratch } from '../lib/disk.ts';
import { type Endpoint, Peer, type Shared } from '../lib/peer.ts';
import { cpuLimit, http, type Resources, tcp } from '../lib/pod.ts';
import type { SecretRef } from '../lib/secret.ts';
import type { Target } from '../lib/target.ts';
import { job, statefulSet } from '../lib/workload.ts';
import bootstrap from './arangodb/bootstrap.py';
import { memory } from './arangodb/memory.ts';

const PORTS = { arangodb: 8529 };

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
  readonly app: ArangoDatabase;
  readonly metrics: Target;

  constructor(scope: Construct, id: string, shared: Shared, props: ArangoDBProps) {
    super(scope, id, shared);
    const { database, username, secret, resources } = props;
    const peer = new Peer(this, id, shared, { component: 'database', image: props.image });
    // A busy or failed server answers its readiness probe with 503: its metrics must be found then above all.
    const service = peer.serve(PORTS, { headless: true, early: true });

    const { detected, options } = memory(resources.memory);
    statefulSet(peer, {
      service,
      tier: 'data',
      // RocksDB flushes on SIGTERM.
      grace: Duration.minutes(2),
      // The image's own files are for any user of group 0.
      group: 0,
      containers: [
        {
          name: 'arangodb',
          image: props.image,
          args: [
            'arangod',
            '--log.use-json-format=true',
            '--server.telemetrics-api=false',
            // Prometheus keeps the history.
            '--server.statistics-history=false',
            ...NO_JAVASCRIPT,
            ...options,
          ],
          env: {
            // The image's entrypoint makes no database without it.
            ARANGO_ROOT_PASSWORD: secret.env('root-password'),
            // arangod sets root's password to it at every start, before it serves: a first start that was interrupted leaves an empty one.
            ARANGODB_DEFAULT_ROOT_PASSWORD: secret.env('root-password'),
            // arangod sizes its caches by the node's memory and threads by its cores unless told the pod's.
            ARANGODB_OVERRIDE_DETECTED_TOTAL_MEMORY: detected,
            ARANGODB_OVERRIDE_DETECTED_NUMBER_OF_CORES: `${Math.ceil(cpuLimit(resources.cpu) / 1000)}`,
            // Interleaving memory takes a capability that the container has not.
            NUMA: 'disable',
          },
          ports: PORTS,
          resources,
          mounts: [
            ownDisk('/var/lib/arangodb3', 'data', props.disk, shared),
            // Foxx is off: nothing is installed here.
            scratch('/var/lib/arangodb3-apps', 'apps', Size.mebibytes(64)),
            scratch('/tmp', 'tmp', Size.mebibytes(64)),
          ],
          // The one path that answers without a login and says whether requests are served; recovery may replay for half an hour.
          startup: { ...http('/_admin/server/availability', 'arangodb'), periodSeconds: 5, failureThreshold: 360 },
          readiness: http('/_admin/server/availability', 'arangodb'),
          // Availability turns 503 when the server is busy: no reason to kill it.
          liveness: tcp('arangodb'),
        },
      ],
    });

    const maker = new Peer(this, `${id}-bootstrap`, shared, { component: 'bootstrap', image: props.python });
    const script = config(maker, () => ({ 'bootstrap.py': bootstrap }));
    job(maker, {
      tier: 'data',
      grace: Duration.seconds(5),
      containers: [
        {
          name: 'bootstrap',
          image: props.python,
          command: ['python3', '-I', '-B', '/opt/platform/bootstrap.py'],
          env: {
            ARANGO_URL: `http://${maker.connect(service.at.arangodb)}`,
            ARANGO_DATABASE: database,
            ARANGO_USERNAME: username,
            CREDENTIALS: `/run/secrets/${secret.name}`,
          },
          resources: { cpu: Cpu.millis(5), memory: Size.mebibytes(48) },
          mounts: [script.at('/opt/platform'), secret.mount('root-password', 'password', 'metrics-password')],
        },
      ],
    });

    this.app = { endpoint: service.at.arangodb, database, username, secret };
    this.metrics = {
      endpoint: service.at.arangodb,
      path: '/_db/metrics/_admin/metrics/v2',
      login: { user: 'metrics', passwordFile: secret.path('metrics-password') },
    };
  }
}
