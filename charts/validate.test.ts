import { Duration, Size } from 'cdk8s';
import { Cpu } from 'cdk8s-plus-27';
import { describe, expect, test } from 'vitest';
import { profiles } from '../settings/index.ts';
import type { Settings } from './settings.ts';
import { validate } from './validate.ts';

const { dev, prod } = profiles;
const [pool] = dev.celeryWorker.pools;
const bucket = { name: 'traces', region: 'x', endpoint: { host: 's3.example', port: 443 } };

describe.each(Object.entries(profiles))('%s', (_, settings) => {
  test('is valid', () => expect(validate(settings)).toEqual([]));
});

/** An error and its sentence. */
const cases: [string, Settings, string][] = [
  [
    'an even number of servers',
    { ...dev, consul: { ...dev.consul, servers: 2 as 1 } },
    'settings.consul.servers is 2: an even number tolerates no more failures than one server fewer; use 1, 3 or 5',
  ],
  [
    'a release that may harm older data',
    { ...dev, images: { ...dev.images, arangodb: 'docker.io/library/arangodb:3.12.3' } },
    'settings.images.arangodb is "docker.io/library/arangodb:3.12.3": 3.12.0 to 3.12.3 may make data of 3.11 read-only; use 3.12.4 or later',
  ],
  [
    'an upgrade to the current release',
    { ...dev, images: { ...dev.images, arangodb: 'docker.io/library/arangodb:3.11.1' }, arangodb: { ...dev.arangodb, upgrade: true } },
    'settings.arangodb.upgrade is set, and settings.images.arangodb is "docker.io/library/arangodb:3.11',
  ],
  ['no pool', { ...dev, celeryWorker: { pools: [] as never } }, 'settings.celeryWorker.pools is empty: no task would run; add a pool'],
  [
    'no worker',
    { ...dev, celeryWorker: { pools: [{ ...pool, replicas: 0 }] } },
    'settings.celeryWorker.pools[0].replicas is 0: use a positive whole number',
  ],
  [
    'a fraction of a process',
    { ...dev, celeryWorker: { pools: [{ ...pool, concurrency: 1.5 }] } },
    'settings.celeryWorker.pools[0].concurrency is 1.5: use a positive whole number',
  ],
  [
    'a maximum below the replicas',
    { ...dev, celeryWorker: { pools: [{ ...pool, maxReplicas: 1 }] } },
    'settings.celeryWorker.pools[0].maxReplicas is 1: use more than replicas, which is 1, or remove it',
  ],
  [
    'an invalid name of a pool',
    { ...dev, celeryWorker: { pools: [{ ...pool, name: 'Default' }] } },
    'settings.celeryWorker.pools[0].name is "Default"',
  ],
  [
    'two pools with one name',
    { ...dev, celeryWorker: { pools: [pool, { ...pool, queues: ['other'] }] } },
    'settings.celeryWorker.pools has two pools "default"',
  ],
  [
    'a queue of two pools',
    { ...dev, celeryWorker: { pools: [pool, { ...pool, name: 'other' }] } },
    'settings.celeryWorker.pools has the queue "celery" twice',
  ],
  [
    'a retention with a fraction of an hour',
    { ...dev, tempo: { ...dev.tempo, retention: Duration.minutes(90) } },
    'settings.tempo.retention is not a positive whole number of hours: use Duration.hours of one',
  ],
  [
    'a task with a fraction of a second',
    { ...dev, app: { ...dev.app, longestTask: Duration.millis(2500) } },
    'settings.app.longestTask is not a positive whole number of seconds: use Duration.seconds of one',
  ],
  [
    'a retention of less than a day',
    { ...dev, loki: { ...dev.loki, retention: Duration.hours(1) } },
    'settings.loki.retention is 60 minutes: Loki keeps lines for at least a day',
  ],
  [
    'a negative number of series',
    { ...dev, tempo: { ...dev.tempo, maxSeries: -5 } },
    'settings.tempo.maxSeries is -5: use a positive whole number',
  ],
  ['a negative number of servers', { ...dev, consul: { ...dev.consul, servers: -1 as 1 } }, 'settings.consul.servers is -1: use 1, 3 or 5'],
  [
    'an unknown release',
    { ...dev, images: { ...dev.images, arangodb: 'docker.io/library/arangodb:v3.13.1' } },
    'settings.images.arangodb is "docker.io/library/arangodb:v3.13.1": the charts support the options of 3.11 and 3.12',
  ],
  [
    'no collector',
    { ...prod, otelCollector: { ...prod.otelCollector, replicas: 0 } },
    'settings.otelCollector.replicas is 0: use a positive whole number',
  ],
  [
    'a queue without space to compact it',
    { ...dev, otelCollector: { ...dev.otelCollector, queue: Size.mebibytes(256) } },
    'settings.otelCollector.queue is 256 MiB: use at least 512 MiB (for three queues and the compaction of one)',
  ],
  [
    'too little memory',
    { ...dev, arangodb: { ...dev.arangodb, resources: { ...dev.arangodb.resources, memory: Size.mebibytes(256) } } },
    'settings.arangodb.resources.memory is 256 MiB: use at least 1024 MiB (below it, arangod',
  ],
  [
    'less memory than Grafana was measured to use',
    { ...dev, grafana: { ...dev.grafana, resources: { ...dev.grafana.resources, memory: Size.mebibytes(256) } } },
    'settings.grafana.resources.memory is 256 MiB: use at least 320 MiB (a public measurement of Grafana 13.2.3',
  ],
  [
    'too little memory for the tasks that the exporter keeps',
    { ...dev, celeryExporter: { resources: { ...dev.celeryExporter.resources, memory: Size.mebibytes(128) } } },
    'settings.celeryExporter.resources.memory is 128 MiB: use at least 160 MiB (it always keeps 10,000 tasks',
  ],
  [
    'too little memory for the processes',
    { ...dev, celeryWorker: { pools: [{ ...pool, concurrency: 8 }] } },
    'settings.celeryWorker.pools[0].resources.memory is 384 MiB: use at least 576 MiB (for 8 processes)',
  ],
  [
    'more days than the disk holds',
    { ...dev, prometheus: { ...dev.prometheus, retention: Duration.days(90) } },
    'settings.prometheus.retention is 90 days, and the disk of 4096 MiB holds 40: shorten it, or use a disk of 9000 MiB',
  ],
  [
    'an image without a tag',
    { ...dev, images: { ...dev.images, app: 'registry.example/app' } },
    'settings.images.app: image "registry.example/app" has no tag',
  ],
  ['an invalid namespace', { ...dev, shared: { ...dev.shared, namespace: 'My_Platform' } }, 'settings.shared.namespace is "My_Platform"'],
  ['a namespace of the cluster', { ...dev, shared: { ...dev.shared, namespace: 'kube-system' } }, 'use a dedicated namespace'],
  ['an invalid datacenter', { ...dev, consul: { ...dev.consul, datacenter: 'DC 1' } }, 'settings.consul.datacenter is "DC 1"'],
  ['an invalid database', { ...dev, arangodb: { ...dev.arangodb, database: '1st' } }, 'settings.arangodb.database is "1st"'],
  [
    'a mirror with a scheme',
    { ...dev, mirror: 'https://mirror.example' },
    'settings.mirror is "https://mirror.example": start with the registry\'s host name',
  ],
  [
    'a host with a scheme',
    { ...prod, tempo: { ...prod.tempo, bucket: { ...bucket, endpoint: { host: 'https://s3', port: 443 } } } },
    'settings.tempo.bucket.endpoint.host is "https://s3"',
  ],
  ['a bucket without a name', { ...prod, loki: { ...prod.loki, bucket: { ...bucket, name: '' } } }, 'settings.loki.bucket.name is ""'],
  [
    'generated keys for a bucket',
    { ...prod, externalSecrets: { from: 'generator' } },
    "settings.externalSecrets is the generator, which cannot generate a bucket's keys",
  ],
  [
    'a reserved user',
    { ...dev, arangodb: { ...dev.arangodb, username: 'root' } },
    'settings.arangodb.username is "root": the platform uses root and metrics itself',
  ],
  ['a reserved database', { ...dev, arangodb: { ...dev.arangodb, database: 'metrics' } }, 'settings.arangodb.database is "metrics"'],
  [
    'a task longer than the timeout',
    { ...dev, app: { ...dev.app, longestTask: Duration.hours(2), visibilityTimeout: Duration.hours(1) } },
    'settings.app.visibilityTimeout is 3600 s and longestTask 7200 s',
  ],
  [
    'a fraction of a MiB',
    { ...dev, redis: { ...dev.redis, maxmemory: Size.kibibytes(100) } },
    'settings.redis.maxmemory is not a positive whole number of MiB',
  ],
  [
    'a duration of zero',
    { ...dev, loki: { ...dev.loki, retention: Duration.days(0) } },
    'settings.loki.retention is not a positive whole number of hours',
  ],
  ['no CPU', { ...dev, redis: { ...dev.redis, cpu: Cpu.millis(0) } }, 'settings.redis.cpu is less than one millicore'],
];

test.each(cases)('%s is an error', (_, settings, sentence) => {
  expect(validate(settings).join('\n')).toContain(sentence);
});

test('a negative size throws', () => {
  expect(() => Size.mebibytes(-1)).toThrow('cannot be negative');
});

test('all errors are reported, not only the first', () => {
  const settings = { ...dev, mirror: 'https://mirror.example', consul: { ...dev.consul, servers: 2 as 1 } };
  expect(validate(settings)).toEqual([expect.stringContaining('settings.mirror'), expect.stringContaining('settings.consul.servers')]);
});

// Most errors do not compile: tsc fails where the line below an @ts-expect-error does.
void ([
  // @ts-expect-error -- an even number of servers
  { consul: { ...dev.consul, servers: 2 } },
  // @ts-expect-error -- no pool at all
  { celeryWorker: { pools: [] } },
  // @ts-expect-error -- a pool without a queue
  { celeryWorker: { pools: [{ ...pool, queues: [] }] } },
  // @ts-expect-error -- a size is no text
  { redis: { ...dev.redis, maxmemory: '96Mi' } },
  // @ts-expect-error -- a broker without a disk
  { redis: { maxmemory: dev.redis.maxmemory, cpu: dev.redis.cpu } },
  // @ts-expect-error -- a bucket without a name
  { tempo: { ...prod.tempo, bucket: { region: 'x', endpoint: { host: 's3.example', port: 443 } } } },
  // @ts-expect-error -- a misspelled setting
  { grafana: { ...dev.grafana, disc: Size.gibibytes(1) } },
  // @ts-expect-error -- an image that the charts run is missing
  { images: { redis: dev.images.redis } },
] satisfies Partial<Settings>[]);
