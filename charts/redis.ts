import { Chart, Duration, Size } from 'cdk8s';
import { Cpu } from 'cdk8s-plus-27';
import type { Construct } from 'constructs';
import { Component, type Endpoint, type Shared } from '../lib/component.ts';
import { configMap } from '../lib/config.ts';
import { memoryDir, volumeClaimTemplate } from '../lib/disk.ts';
import { goMemoryLimit, http, shell, tcp } from '../lib/pod.ts';
import type { ScrapeTarget } from '../lib/scrape-target.ts';
import type { SecretRef } from '../lib/secret.ts';
import { statefulSet } from '../lib/workload.ts';
import { containerMemory } from './redis/memory.ts';

const PORTS = { redis: 6379, metrics: 9121 };
const EXPORTER_MEMORY = Size.mebibytes(32);
/** The password at the server's start. The probes use it, because the Secret may change later. */
const PASSWORD_FILE = '/run/platform/password';

/** A Redis without a disk, which evicts keys when it is full. */
export interface CacheSettings {
  /** Memory for keys. The container's limit follows from it. */
  readonly maxmemory: Size;
  /** CPU request; the limit is four times as high, and at least one core. */
  readonly cpu: Cpu;
}

/** A Redis with a disk, which refuses writes when it is full. */
export interface BrokerSettings extends CacheSettings {
  /** Disk of the append-only file. */
  readonly disk: Size;
}

interface RedisProps {
  readonly image: string;
  readonly exporter: string;
  readonly secret: SecretRef<'password'>;
}

/** One of Redis' numbered databases and its password. */
export interface RedisDatabase {
  readonly endpoint: Endpoint<'redis'>;
  readonly secret: SecretRef<'password'>;
  readonly index: number;
}

/** One Redis with an exporter: a broker with a disk, or a cache without one. */
export class Redis extends Chart {
  /** Seconds that it needs to stop without losing data. */
  static readonly minimumGrace = 30;
  readonly redis: Endpoint<'redis'>;
  readonly metrics: ScrapeTarget;
  private readonly secret: SecretRef<'password'>;

  constructor(scope: Construct, id: string, shared: Shared, props: (BrokerSettings | CacheSettings) & RedisProps) {
    super(scope, id, shared);
    const { secret } = props;
    const disk = 'disk' in props ? props.disk : undefined;
    const component = new Component(this, id, shared, { role: disk ? 'broker' : 'cache', image: props.image });
    const service = component.serve(PORTS, { headless: true });

    const maxmemory = props.maxmemory.toMebibytes();
    const settings = {
      port: PORTS.redis,
      ...(disk && { dir: '/data' }),
      maxmemory: `${maxmemory}mb`,
      'maxmemory-policy': disk ? 'noeviction' : 'allkeys-lru',
      appendonly: disk ? 'yes' : 'no',
      // A failure of the node loses at most the writes of the last second.
      appendfsync: 'everysec',
      save: disk ? '3600 1 300 100' : '""',
      'shutdown-on-sigterm': disk ? 'save' : 'nosave',
    };
    const file = configMap(component, () => ({
      'redis.conf': Object.entries(settings)
        .map(([key, value]) => `${key} ${value}\n`)
        .join(''),
    }));

    statefulSet(component, {
      service,
      priority: 'data',
      // A broker saves all keys to its disk, at 20 MiB/s or faster.
      grace: Duration.seconds(disk ? 30 + Math.ceil(maxmemory / 20) : 30),
      secretEnvReason: 'redis_exporter reads the password only from a variable or a JSON file',
      containers: [
        {
          name: 'redis',
          image: props.image,
          // redis.conf has no variables, and arguments are visible in the process list: the password comes from standard input.
          command: [
            'sh',
            '-c',
            `umask 077; cat ${secret.path('password')} >${PASSWORD_FILE}; exec redis-server /etc/redis/redis.conf - <<END\nrequirepass $(cat ${PASSWORD_FILE})\nEND`,
          ],
          ports: { redis: PORTS.redis },
          resources: { cpu: props.cpu, memory: containerMemory(props.maxmemory, disk !== undefined) },
          mounts: [
            file.mount('/etc/redis'),
            secret.mount('password'),
            memoryDir('/run/platform', 'memory', Size.mebibytes(1)),
            ...(disk ? [volumeClaimTemplate('/data', 'data', disk, shared)] : []),
          ],
          readiness: shell(`REDISCLI_AUTH="$(cat ${PASSWORD_FILE})" redis-cli -p ${PORTS.redis} -e ping`),
          // Any answer counts, even an error such as LOADING, BUSY or NOAUTH.
          liveness: { ...shell(`redis-cli -p ${PORTS.redis} ping`), periodSeconds: 20 },
        },
        {
          name: 'exporter',
          image: props.exporter,
          env: {
            REDIS_EXPORTER_WEB_LISTEN_ADDRESS: `:${PORTS.metrics}`,
            REDIS_ADDR: `redis://localhost:${PORTS.redis}`,
            REDIS_PASSWORD: secret.env('password'),
            // /scrape?target= sends the password to any host.
            REDIS_EXPORTER_DISABLE_SCRAPE_ENDPOINT: 'true',
            ...goMemoryLimit(EXPORTER_MEMORY),
          },
          ports: { metrics: PORTS.metrics },
          resources: { cpu: Cpu.millis(5), memory: EXPORTER_MEMORY },
          readiness: http('/health', 'metrics'),
          liveness: tcp('metrics'),
        },
      ],
    });

    this.secret = secret;
    this.redis = service.endpoints.redis;
    this.metrics = { endpoint: service.endpoints.metrics };
  }

  /** The database `index`, from 0 to 15. */
  database(index: number): RedisDatabase {
    return { endpoint: this.redis, secret: this.secret, index };
  }
}
