import { Duration, Size, SizeRoundingBehavior } from 'cdk8s';
import { Cpu } from 'cdk8s-plus-27';
import { tagOf } from '../lib/image.ts';
import { millis } from '../lib/quantity.ts';
import { LARGEST_REQUEST } from '../lib/telemetry.ts';
import { minimumMemory } from './otel-collector/memory.ts';
import type { Settings } from './settings.ts';

/** Every error in the settings, a sentence each: the path, the problem and the fix. */
export function validate(settings: Settings): string[] {
  return validators.flatMap((validator) => [...validator(settings)].map((sentence) => `settings.${sentence}`));
}

type Validator = (settings: Settings) => Iterable<string>;

/** Minimum memory in MiB, and its source. */
const MINIMUM_MEMORY = {
  arangodb: [1024, "below it, arangod's caches, JavaScript and queries get less than 3.11 documents as their minimum"],
  consul: [128, 'Consul 1.15.4 used 93 MiB; 2.0 was not measured'],
  tempo: [256, 'an estimate: no real Tempo was measured'],
  loki: [192, 'an estimate: no real Loki was measured'],
  prometheus: [128, 'Prometheus 3.15.0 used 44 MiB when idle'],
  otelCollector: [
    minimumMemory(LARGEST_REQUEST).toMebibytes(),
    `for 8 concurrent requests of ${LARGEST_REQUEST.toMebibytes()} MiB, the LARGEST_REQUEST of lib/telemetry.ts`,
  ],
  grafana: [320, 'a public measurement of Grafana 13.2.3 shows up to 293 MiB while it renders dashboards'],
  celeryBeat: [96, 'the reference app with Celery 5.6.3'],
  celeryExporter: [160, 'it always keeps 10,000 tasks: with Celery 5.5.3 they use 113 MiB, or 184 MiB with tracebacks of 3 KB'],
} satisfies Partial<Record<keyof Settings, [mebibytes: number, source: string]>>;

/** MiB that the platform's own series, spans and lines use in a day: estimates, since no real Tempo or Loki was measured. */
const MEBIBYTES_PER_DAY = { prometheus: 100, tempo: 50, loki: 50 };

const validators: readonly Validator[] = [
  function* quantities(settings) {
    for (const [path, value] of leaves(settings)) {
      if (value instanceof Size && !isPositive(mebibytes(value)))
        yield `${path} is not a positive whole number of MiB: use Size.mebibytes or Size.gibibytes of one`;
      if (value instanceof Duration && !isPositive(value.toMilliseconds() / unitOf(path).milliseconds))
        yield `${path} is not a positive whole number of ${unitOf(path).name}: use Duration.${unitOf(path).name} of one`;
      if (value instanceof Cpu && !(millis(value) >= 1))
        yield `${path} is less than one millicore: use Cpu.millis or Cpu.units of a positive number`;
    }
  },

  function* names({ shared, mirror, tempo, loki, consul, arangodb }) {
    const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
    const host = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/;
    if (!label.test(shared.namespace))
      yield `shared.namespace is "${shared.namespace}": use up to 63 lower-case letters, digits and dashes`;
    if (/^(default|kube-)/.test(shared.namespace)) yield `shared.namespace is "${shared.namespace}": use a dedicated namespace`;
    if (!label.test(consul.datacenter)) yield `consul.datacenter is "${consul.datacenter}": use lower-case letters, digits and dashes`;
    if (!/^[A-Za-z][\w-]{0,63}$/.test(arangodb.database))
      yield `arangodb.database is "${arangodb.database}": use a letter, then letters, digits, dashes and underscores`;
    if (/^(root|metrics)$/.test(arangodb.username))
      yield `arangodb.username is "${arangodb.username}": the platform uses root and metrics itself; choose another name`;
    if (arangodb.database === 'metrics')
      yield 'arangodb.database is "metrics": Prometheus reads metrics through that empty database; choose another name';
    const registry = mirror?.split('/')[0]?.replace(/:\d+$/, '');
    if (registry !== undefined && !host.test(registry))
      yield `mirror is "${mirror}": start with the registry's host name, without https://`;
    for (const [service, bucket] of Object.entries({ tempo: tempo.bucket, loki: loki.bucket })) {
      if (bucket && !host.test(bucket.endpoint.host))
        yield `${service}.bucket.endpoint.host is "${bucket.endpoint.host}": use a host name, without https:// and a path`;
      if (bucket && !/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket.name))
        yield `${service}.bucket.name is "${bucket.name}": use 3 to 63 lower-case letters, digits, dots and dashes`;
    }
  },

  function* tags({ images }) {
    for (const [name, image] of Object.entries(images)) {
      try {
        tagOf(image);
      } catch (error) {
        yield `images.${name}: ${(error as Error).message}`;
      }
    }
  },

  function* release({ images, arangodb }) {
    const [, minor, patch] = /:v?3\.(\d+)(?:\.(\d+))?/.exec(images.arangodb) ?? [];
    if (minor !== '11' && minor !== '12')
      yield `images.arangodb is "${images.arangodb}": the charts support the options of 3.11 and 3.12; use one of them`;
    if (minor === '12' && !(Number(patch) >= 4))
      yield `images.arangodb is "${images.arangodb}": 3.12.0 to 3.12.3 may make data of 3.11 read-only; use 3.12.4 or later`;
    if (arangodb.upgrade && minor === '11')
      yield `arangodb.upgrade is set, and settings.images.arangodb is "${images.arangodb}": set the image to upgrade to, or remove the setting`;
  },

  function* telemetry({ loki, tempo }) {
    if (loki.retention.toMilliseconds() < 86_400_000)
      yield `loki.retention is ${loki.retention.toHumanString()}: Loki keeps lines for at least a day; use Duration.hours(24) or more`;
    yield* positive('tempo.maxSeries', tempo.maxSeries);
  },

  function* quorum({ consul }) {
    const servers: number = consul.servers;
    if (!(Number.isInteger(servers) && servers >= 1)) yield `consul.servers is ${servers}: use 1, 3 or 5`;
    else if (servers % 2 !== 1)
      yield `consul.servers is ${servers}: an even number tolerates no more failures than one server fewer; use 1, 3 or 5`;
  },

  function* workers({ celeryWorker }) {
    const { pools } = celeryWorker;
    if (pools.length < 1) yield 'celeryWorker.pools is empty: no task would run; add a pool';
    for (const [index, { name, replicas, maxReplicas, concurrency, resources }] of pools.entries()) {
      const path = `celeryWorker.pools[${index}]`;
      yield* positive(`${path}.replicas`, replicas);
      yield* positive(`${path}.concurrency`, concurrency);
      yield* atLeast(`${path}.resources.memory`, resources.memory, 64 * (concurrency + 1), `for ${concurrency} processes`);
      if (maxReplicas !== undefined && !(maxReplicas > replicas))
        yield `${path}.maxReplicas is ${maxReplicas}: use more than replicas, which is ${replicas}, or remove it`;
      if (!/^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/.test(name))
        yield `${path}.name is "${name}": it becomes part of a Deployment's name, so use up to 32 lower-case letters, digits and dashes`;
    }
    for (const name of duplicates(pools.map(({ name }) => name)))
      yield `celeryWorker.pools has two pools "${name}": a Deployment is named after each, so rename one`;
    for (const queue of duplicates(pools.flatMap(({ queues }) => queues)))
      yield `celeryWorker.pools has the queue "${queue}" twice: give it to one pool, with more replicas`;
  },

  function* collectors({ otelCollector }) {
    yield* positive('otelCollector.replicas', otelCollector.replicas);
    yield* atLeast('otelCollector.queue', otelCollector.queue, 512, 'for three queues and the compaction of one');
  },

  function* memory(settings) {
    for (const name of Object.keys(MINIMUM_MEMORY) as (keyof typeof MINIMUM_MEMORY)[])
      yield* atLeast(`${name}.resources.memory`, settings[name].resources.memory, ...MINIMUM_MEMORY[name]);
  },

  function* retention(settings) {
    for (const name of Object.keys(MEBIBYTES_PER_DAY) as (keyof typeof MEBIBYTES_PER_DAY)[]) {
      // With a bucket, the disk holds only blocks that are not uploaded yet.
      if (name !== 'prometheus' && settings[name].bucket) continue;
      const disk = mebibytes(settings[name].disk);
      const days = settings[name].retention.toMilliseconds() / 86_400_000;
      const need = Math.ceil(days * MEBIBYTES_PER_DAY[name]);
      if (disk < need)
        yield `${name}.retention is ${days} days, and the disk of ${disk} MiB holds ${Math.floor((days * disk) / need)}: shorten it, or use a disk of ${need} MiB`;
    }
  },

  function* secrets({ externalSecrets, tempo, loki }) {
    if (externalSecrets?.from === 'generator' && (tempo.bucket || loki.bucket)) {
      yield "externalSecrets is the generator, which cannot generate a bucket's keys: use a store, or remove the buckets";
    }
  },

  function* delivery({ app }) {
    const { longestTask, visibilityTimeout } = app;
    if (visibilityTimeout && visibilityTimeout.toSeconds() <= longestTask.toSeconds()) {
      yield `app.visibilityTimeout is ${visibilityTimeout.toSeconds()} s and longestTask ${longestTask.toSeconds()} s: a second worker would start a task that long; make the timeout longer`;
    }
  },
];

/** The unit in which charts write a duration: hours for retentions, else seconds. */
function unitOf(path: string): { readonly name: 'hours' | 'seconds'; readonly milliseconds: number } {
  return path.endsWith('.retention') ? { name: 'hours', milliseconds: 3_600_000 } : { name: 'seconds', milliseconds: 1000 };
}

/** A size in MiB, which may be a fraction. */
function mebibytes(size: Size): number {
  return size.toKibibytes({ rounding: SizeRoundingBehavior.NONE }) / 1024;
}

function isPositive(value: number): boolean {
  return Number.isInteger(value) && value > 0;
}

function* positive(path: string, value: number): Iterable<string> {
  if (!isPositive(value)) yield `${path} is ${value}: use a positive whole number`;
}

function* atLeast(path: string, size: Size, minimum: number, source: string): Iterable<string> {
  if (mebibytes(size) < minimum) yield `${path} is ${mebibytes(size)} MiB: use at least ${minimum} MiB (${source})`;
}

/** The values that occur more than once. */
function duplicates(values: readonly string[]): Set<string> {
  return new Set(values.filter((value, index) => values.indexOf(value) !== index));
}

/** Every leaf of a tree of plain objects and arrays, with its path. */
function* leaves(value: unknown, path = ''): Iterable<[string, unknown]> {
  const plain = Array.isArray(value) || (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype);
  if (!plain) yield [path, value];
  else
    for (const [key, inner] of Object.entries(value as object))
      yield* leaves(inner, Array.isArray(value) ? `${path}[${key}]` : path === '' ? key : `${path}.${key}`);
}
