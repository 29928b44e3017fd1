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
/** The password that this server was started with: a Secret that changes later must not make it look unready. */
const PASSWORD = '/run/platform/password';

/** A Redis without a disk: a cache. */
export interface CacheSettings {
  /** Memory for keys; the container's limit follows from it. */
  readonly maxmemory: Size;
  readonly cpu: Cpu;
}

/** A Redis that keeps what it acknowledged: a broker. */
export interface BrokerSettings extends CacheSettings {
  /** Disk of the append-only file. */
  readonly disk: Size;
}

interface RedisProps {
  readonly image: string;
  readonly exporter: string;
  readonly secret: SecretRef<'password'>;
}

/** One of Redis' numbered databases, and what opens it. */
export interface RedisDatabase {
  readonly endpoint: Endpoint<'redis'>;
  readonly secret: SecretRef<'password'>;
  readonly index: number;
}

/** One Redis. With a disk it is a broker: full, it refuses writes rather than lose a task. Without, a cache: full, it forgets. */
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
      ...(disk && { dir: '/data' }),
      maxmemory: `${maxmemory}mb`,
      'maxmemory-policy': disk ? 'noeviction' : 'allkeys-lru',
      appendonly: disk ? 'yes' : 'no',
      // At most one second of acknowledged writes is lost with the node.
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
      // Writing all of it to the disk once, at 20 MiB a second.
      grace: Duration.seconds(disk ? 30 + Math.ceil(maxmemory / 20) : 30),
      secretEnvReason: 'redis_exporter reads a password from a variable or from a file of JSON',
      containers: [
        {
          name: 'redis',
          image: props.image,
          // The password goes in by standard input: an argument would stand in the process list, and the file knows no variables.
          command: [
            'sh',
            '-c',
            `umask 077; cat ${secret.path('password')} >${PASSWORD}; exec redis-server /etc/redis/redis.conf - <<END\nrequirepass $(cat ${PASSWORD})\nEND`,
          ],
          ports: { redis: PORTS.redis },
          resources: { cpu: props.cpu, memory: containerMemory(props.maxmemory, disk !== undefined) },
          mounts: [
            file.mount('/etc/redis'),
            secret.mount('password'),
            memoryDir('/run/platform', 'memory', Size.mebibytes(1)),
            ...(disk ? [volumeClaimTemplate('/data', 'data', disk, shared)] : []),
          ],
          readiness: shell(`REDISCLI_AUTH="$(cat ${PASSWORD})" redis-cli -e ping`),
          // Any answer is a sign of life, be it that it loads, is busy or wants another password: only silence is not.
          liveness: { ...shell('redis-cli ping'), periodSeconds: 20 },
        },
        {
          name: 'exporter',
          image: props.exporter,
          env: {
            REDIS_ADDR: `redis://localhost:${PORTS.redis}`,
            REDIS_PASSWORD: secret.env('password'),
            // /scrape?target= would send the password to whatever host the caller names.
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

  /** The database `index`, of the 16 that a server has. */
  database(index: number): RedisDatabase {
    return { endpoint: this.redis, secret: this.secret, index };
  }
}
