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

/** What is wrong, and the sentence that says so. */
const cases: [string, Settings, string][] = [
  [
    'an even number of servers',
    { ...dev, consul: { ...dev.consul, servers: 2 as 1 } },
    'settings.consul.servers is 2: an even number survives no more losses than one server less; use 1, 3 or 5',
  ],
  [
    'a release that may harm older data',
    { ...dev, images: { ...dev.images, arangodb: 'docker.io/library/arangodb:3.12.3' } },
    'settings.images.arangodb is "docker.io/library/arangodb:3.12.3": 3.12.0 to 3.12.3 may turn data of 3.11 read-only; use 3.12.4 or later',
  ],
  [
    'an upgrade to the release that is there',
    { ...dev, arangodb: { ...dev.arangodb, upgrade: true } },
    'settings.arangodb.upgrade is set, and settings.images.arangodb is "docker.io/library/arangodb:3.11',
  ],
  [
    'no worker',
    { ...dev, celeryWorker: { pools: [{ ...pool, replicas: 0 }] } },
    'settings.celeryWorker.pools[0].replicas is 0: use a whole number from 1',
  ],
  [
    'half a process',
    { ...dev, celeryWorker: { pools: [{ ...pool, concurrency: 1.5 }] } },
    'settings.celeryWorker.pools[0].concurrency is 1.5: use a whole number from 1',
  ],
  [
    'no room to scale',
    { ...dev, celeryWorker: { pools: [{ ...pool, max: 1 }] } },
    'settings.celeryWorker.pools[0].max is 1: it must be more than the 1 replicas that are there anyway',
  ],
  [
    'a pool that is no name',
    { ...dev, celeryWorker: { pools: [{ ...pool, name: 'Default' }] } },
    'settings.celeryWorker.pools[0].name is "Default"',
  ],
  [
    'two pools of one name',
    { ...dev, celeryWorker: { pools: [pool, { ...pool, queues: ['other'] }] } },
    'settings.celeryWorker.pools has two pools "default"',
  ],
  [
    'a queue of two pools',
    { ...dev, celeryWorker: { pools: [pool, { ...pool, name: 'other' }] } },
    'settings.celeryWorker.pools names the queue "celery" twice',
  ],
  [
    'a retention that is no whole number of hours',
    { ...dev, tempo: { ...dev.tempo, retention: Duration.minutes(90) } },
    'settings.tempo.retention is no whole number of hours above zero: write Duration.hours of one',
  ],
  [
    'a task of half seconds',
    { ...dev, app: { ...dev.app, longestTask: Duration.millis(2500) } },
    'settings.app.longestTask is no whole number of seconds above zero: write Duration.seconds of one',
  ],
  [
    'lines for less than a day',
    { ...dev, loki: { ...dev.loki, retention: Duration.hours(1) } },
    'settings.loki.retention is 60 minutes: Loki keeps lines for a day at the least',
  ],
  ['series below zero', { ...dev, tempo: { ...dev.tempo, maxSeries: -5 } }, 'settings.tempo.maxSeries is -5: use a whole number from 1'],
  ['fewer servers than one', { ...dev, consul: { ...dev.consul, servers: -1 as 1 } }, 'settings.consul.servers is -1: use 1, 3 or 5'],
  [
    'a release whose options are not known',
    { ...dev, images: { ...dev.images, arangodb: 'docker.io/library/arangodb:v3.13.1' } },
    'settings.images.arangodb is "docker.io/library/arangodb:v3.13.1": the charts know 3.11 and 3.12',
  ],
  [
    'no collector',
    { ...prod, otelCollector: { ...prod.otelCollector, replicas: 0 } },
    'settings.otelCollector.replicas is 0: use a whole number from 1',
  ],
  [
    'a queue that could not be compacted',
    { ...dev, otelCollector: { ...dev.otelCollector, queue: Size.mebibytes(256) } },
    'settings.otelCollector.queue is 256 MiB: three queues and the room to compact one of them need 512 MiB',
  ],
  [
    'too little memory',
    { ...dev, arangodb: { ...dev.arangodb, resources: { ...dev.arangodb.resources, memory: Size.mebibytes(256) } } },
    'settings.arangodb.resources.memory is 256 MiB: it needs 1024 MiB (the least that leaves',
  ],
  [
    'less memory than Grafana took where it was measured',
    { ...dev, grafana: { ...dev.grafana, resources: { ...dev.grafana.resources, memory: Size.mebibytes(256) } } },
    'settings.grafana.resources.memory is 256 MiB: it needs 320 MiB (a public measurement of Grafana 13.2.3',
  ],
  [
    'no room for the tasks that the exporter keeps',
    { ...dev, celeryExporter: { resources: { ...dev.celeryExporter.resources, memory: Size.mebibytes(128) } } },
    'settings.celeryExporter.resources.memory is 128 MiB: it needs 160 MiB (it keeps 10,000 tasks and has no option for fewer',
  ],
  [
    'too little memory for so many processes',
    { ...dev, celeryWorker: { pools: [{ ...pool, concurrency: 8 }] } },
    'settings.celeryWorker.pools[0].resources.memory is 384 MiB: a worker with 8 processes needs 576 MiB',
  ],
  [
    'more days than the disk holds',
    { ...dev, prometheus: { ...dev.prometheus, retention: Duration.days(90) } },
    'settings.prometheus.retention is 90 days, of which the disk of 4096 MiB holds no more than 40: shorten it, or give 9000 MiB',
  ],
  [
    'an image without a tag',
    { ...dev, images: { ...dev.images, app: 'registry.example/app' } },
    'settings.images.app: image "registry.example/app" has no tag',
  ],
  [
    'a namespace that is none',
    { ...dev, shared: { ...dev.shared, namespace: 'My_Platform' } },
    'settings.shared.namespace is "My_Platform"',
  ],
  [
    'a namespace of the cluster',
    { ...dev, shared: { ...dev.shared, namespace: 'kube-system' } },
    'give the platform a namespace of its own',
  ],
  ['a datacenter that is no name', { ...dev, consul: { ...dev.consul, datacenter: 'DC 1' } }, 'settings.consul.datacenter is "DC 1"'],
  ['a database that is no name', { ...dev, arangodb: { ...dev.arangodb, database: '1st' } }, 'settings.arangodb.database is "1st"'],
  [
    'a mirror with a scheme',
    { ...dev, mirror: 'https://mirror.example' },
    'settings.mirror is "https://mirror.example": begin with the registry\'s host name',
  ],
  [
    'a host with a scheme',
    { ...prod, tempo: { ...prod.tempo, bucket: { ...bucket, endpoint: { host: 'https://s3', port: 443 } } } },
    'settings.tempo.bucket.endpoint.host is "https://s3"',
  ],
  ['a bucket without a name', { ...prod, loki: { ...prod.loki, bucket: { ...bucket, name: '' } } }, 'settings.loki.bucket.name is ""'],
  [
    'generated keys of a bucket',
    { ...prod, externalSecrets: { from: 'generator' } },
    "settings.externalSecrets is the generator, and nobody can generate a bucket's keys",
  ],
  [
    'a user that is taken',
    { ...dev, arangodb: { ...dev.arangodb, username: 'root' } },
    'settings.arangodb.username is "root": root and metrics are taken',
  ],
  ['a database that is taken', { ...dev, arangodb: { ...dev.arangodb, database: 'metrics' } }, 'settings.arangodb.database is "metrics"'],
  [
    'a task above the timeout',
    { ...dev, app: { ...dev.app, longestTask: Duration.hours(2), visibilityTimeout: Duration.hours(1) } },
    'settings.app.visibilityTimeout is 3600 s and longestTask 7200 s',
  ],
  [
    'part of a MiB',
    { ...dev, redis: { ...dev.redis, maxmemory: Size.kibibytes(100) } },
    'settings.redis.maxmemory is no whole number of MiB above zero',
  ],
  [
    'no time at all',
    { ...dev, loki: { ...dev.loki, retention: Duration.days(0) } },
    'settings.loki.retention is no whole number of hours above zero',
  ],
  ['no core at all', { ...dev, redis: { ...dev.redis, cpu: Cpu.millis(0) } }, 'settings.redis.cpu is less than a thousandth of a core'],
];

test.each(cases)('%s is refused', (_, settings, sentence) => {
  expect(validate(settings).join('\n')).toContain(sentence);
});

test('a size below zero cannot even be written', () => {
  expect(() => Size.mebibytes(-1)).toThrow('cannot be negative');
});

test('all problems are shown, not only the first', () => {
  const settings = { ...dev, mirror: 'https://mirror.example', consul: { ...dev.consul, servers: 2 as 1 } };
  expect(validate(settings)).toEqual([expect.stringContaining('settings.mirror'), expect.stringContaining('settings.consul.servers')]);
});

// Most mistakes do not compile: tsc, which npm test runs, fails where the line below an @ts-expect-error compiles.
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
