import { Duration, Size } from 'cdk8s';
import { Cpu } from 'cdk8s-plus-27';
import { tagOf } from '../lib/image.ts';
import { millis } from '../lib/quantity.ts';
import type { Settings } from './settings.ts';

/** Every reason not to build a platform of these settings, a sentence each: where, what is wrong, what to do. */
export function validate(settings: Settings): string[] {
  return validators.flatMap((validator) => [...validator(settings)]);
}

type Validator = (settings: Settings) => Iterable<string>;

/** Least memory of a service in MiB, and where the number comes from: a measurement of the real program, or its documentation. */
const LEAST: Readonly<Record<string, { readonly mebibytes: number; readonly source: string }>> = {
  arangodb: { mebibytes: 1024, source: "the least that leaves arangod's caches, JavaScript and queries the sizes that 3.11 documents" },
  consul: { mebibytes: 128, source: 'Consul 1.15.4 was seen to take 93 MiB; 2.0 was not measured' },
  tempo: { mebibytes: 256, source: 'an estimate: no real Tempo was measured' },
  loki: { mebibytes: 192, source: 'an estimate: no real Loki was measured' },
  prometheus: { mebibytes: 128, source: 'Prometheus 3.15.0 was seen to idle at 44 MiB' },
  otelCollector: { mebibytes: 192, source: 'Collector 0.155 was seen to take 156 MiB under 8 senders of 3 MiB each' },
  grafana: { mebibytes: 320, source: 'a public measurement of Grafana 13.2.3: up to 293 MiB while dashboards are drawn' },
  celeryBeat: { mebibytes: 96, source: 'the reference app with Celery 5.6.3' },
  celeryExporter: {
    mebibytes: 160,
    source: 'it keeps 10,000 tasks and has no option for fewer: with Celery 5.5.3 they take 113 MiB, or 184 MiB with tracebacks of 3 KB',
  },
};

/** MiB a day that this platform's own series, spans and lines fill at the least: estimates, since no real Tempo or Loki was measured. */
const DAILY: Readonly<Record<'prometheus' | 'tempo' | 'loki', number>> = { prometheus: 100, tempo: 50, loki: 50 };

const validators: readonly Validator[] = [
  function* quantities(settings) {
    for (const [path, value] of leaves(settings, 'settings')) {
      if (value instanceof Size && !whole(value))
        yield `${path} is no whole number of MiB above zero: write Size.mebibytes or Size.gibibytes of a whole number`;
      if (
        value instanceof Duration &&
        !(value.toMilliseconds() > 0 && Number.isInteger(value.toMilliseconds() / unitOf(path).milliseconds))
      )
        yield `${path} is no whole number of ${unitOf(path).name} above zero: write Duration.${unitOf(path).name} of one`;
      if (value instanceof Cpu && !(millis(value) >= 1))
        yield `${path} is less than a thousandth of a core: write Cpu.millis or Cpu.units of a number above zero`;
    }
  },

  function* names({ shared, mirror, tempo, loki, consul, arangodb }) {
    const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
    const host = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/;
    if (!label.test(shared.namespace))
      yield `settings.shared.namespace is "${shared.namespace}": a namespace is made of lower-case letters, digits and dashes, 63 at most`;
    if (/^(default|kube-)/.test(shared.namespace))
      yield `settings.shared.namespace is "${shared.namespace}": give the platform a namespace of its own`;
    if (!label.test(consul.datacenter))
      yield `settings.consul.datacenter is "${consul.datacenter}": Consul takes lower-case letters, digits and dashes`;
    if (!/^[A-Za-z][\w-]{0,63}$/.test(arangodb.database))
      yield `settings.arangodb.database is "${arangodb.database}": ArangoDB takes a letter, then letters, digits, dashes and underscores`;
    if (/^(root|metrics)$/.test(arangodb.username))
      yield `settings.arangodb.username is "${arangodb.username}": root and metrics are taken, give the app a user of its own`;
    if (arangodb.database === 'metrics')
      yield 'settings.arangodb.database is "metrics": that is the empty database through which Prometheus reads, name another';
    const registry = mirror?.split('/')[0]?.replace(/:\d+$/, '');
    if (registry !== undefined && !host.test(registry))
      yield `settings.mirror is "${mirror}": begin with the registry's host name, without https://`;
    for (const [at, bucket] of Object.entries({ tempo: tempo.bucket, loki: loki.bucket })) {
      if (bucket && !host.test(bucket.endpoint.host))
        yield `settings.${at}.bucket.endpoint.host is "${bucket.endpoint.host}": name a host, without https:// and without a path`;
      if (bucket && !/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket.name))
        yield `settings.${at}.bucket.name is "${bucket.name}": a bucket has 3 to 63 lower-case letters, digits, dots and dashes`;
    }
  },

  function* tags({ images }) {
    for (const [name, image] of Object.entries(images)) {
      try {
        tagOf(image);
      } catch (error) {
        yield `settings.images.${name}: ${(error as Error).message}`;
      }
    }
  },

  function* release({ images, arangodb }) {
    const [, minor, patch] = /:v?3\.(\d+)(?:\.(\d+))?/.exec(images.arangodb) ?? [];
    if (minor !== '11' && minor !== '12')
      yield `settings.images.arangodb is "${images.arangodb}": the charts know 3.11 and 3.12, and their options; use one of these`;
    if (minor === '12' && !(Number(patch) >= 4))
      yield `settings.images.arangodb is "${images.arangodb}": 3.12.0 to 3.12.3 may turn data of 3.11 read-only; use 3.12.4 or later`;
    if (arangodb.upgrade && minor === '11')
      yield `settings.arangodb.upgrade is set, and settings.images.arangodb is "${images.arangodb}": name the release to upgrade to, or leave the setting out`;
  },

  function* telemetry({ loki, tempo }) {
    if (loki.retention.toMilliseconds() < 86_400_000)
      yield `settings.loki.retention is ${loki.retention.toHumanString()}: Loki keeps lines for a day at the least; use Duration.hours(24) or more`;
    if (!Number.isInteger(tempo.maxSeries) || tempo.maxSeries < 1)
      yield `settings.tempo.maxSeries is ${tempo.maxSeries}: use a whole number from 1; Tempo takes 0 for no limit`;
  },

  function* quorum({ consul }) {
    const servers: number = consul.servers;
    if (!(servers >= 1)) yield `settings.consul.servers is ${servers}: use 1, 3 or 5`;
    else if (servers % 2 !== 1)
      yield `settings.consul.servers is ${servers}: an even number survives no more losses than one server less; use 1, 3 or 5`;
  },

  function* workers({ celeryWorker }) {
    const pools = celeryWorker.pools.map((pool, at) => ({ ...pool, at: `settings.celeryWorker.pools[${at}]` }));
    if (pools.length === 0) yield 'settings.celeryWorker.pools is empty: without a worker no task ever runs';
    for (const { at, name, replicas, concurrency, max } of pools) {
      for (const [field, value] of Object.entries({ replicas, concurrency })) {
        if (!Number.isInteger(value) || value < 1) yield `${at}.${field} is ${value}: use a whole number from 1`;
      }
      if (max !== undefined && !(max > replicas))
        yield `${at}.max is ${max}: it must be more than the ${replicas} replicas that are there anyway, or left out`;
      if (!/^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/.test(name))
        yield `${at}.name is "${name}": it becomes part of a Deployment's name, so use lower-case letters, digits and dashes, 32 at most`;
    }
    for (const name of twice(pools.map(({ name }) => name)))
      yield `settings.celeryWorker.pools has two pools "${name}": each becomes a Deployment of that name, so rename one`;
    for (const queue of twice(pools.flatMap(({ queues }) => queues)))
      yield `settings.celeryWorker.pools names the queue "${queue}" twice: leave it to one pool, and give that one more replicas`;
  },

  function* collectors({ otelCollector }) {
    const { replicas, queue } = otelCollector;
    if (!Number.isInteger(replicas) || replicas < 1) yield `settings.otelCollector.replicas is ${replicas}: use a whole number from 1`;
    if (whole(queue) && queue.toMebibytes() < 512)
      yield `settings.otelCollector.queue is ${queue.toMebibytes()} MiB: three queues and the room to compact one of them need 512 MiB`;
  },

  function* memory(settings) {
    const all = settings as unknown as Readonly<Record<string, { readonly resources?: { readonly memory: Size } } | undefined>>;
    for (const [name, { mebibytes: least, source }] of Object.entries(LEAST)) {
      const size = all[name]?.resources?.memory;
      if (size && whole(size) && size.toMebibytes() < least)
        yield `settings.${name}.resources.memory is ${size.toMebibytes()} MiB: it needs ${least} MiB (${source})`;
    }
    for (const [at, { resources, concurrency }] of settings.celeryWorker.pools.entries()) {
      const least = 64 * (concurrency + 1);
      if (whole(resources.memory) && resources.memory.toMebibytes() < least) {
        yield `settings.celeryWorker.pools[${at}].resources.memory is ${resources.memory.toMebibytes()} MiB: a worker with ${concurrency} processes needs ${least} MiB`;
      }
    }
  },

  function* retention({ prometheus, tempo, loki }) {
    for (const [name, { disk, retention, bucket }] of Object.entries({ prometheus: { ...prometheus, bucket: undefined }, tempo, loki })) {
      // Where the blocks lie in a bucket, the disk holds only what is on its way there.
      if (bucket || !whole(disk)) continue;
      const days = retention.toMilliseconds() / 86_400_000;
      const need = Math.ceil(days * DAILY[name as keyof typeof DAILY]);
      if (disk.toMebibytes() < need)
        yield `settings.${name}.retention is ${days} days, of which the disk of ${disk.toMebibytes()} MiB holds no more than ${Math.floor((days * disk.toMebibytes()) / need)}: shorten it, or give ${need} MiB`;
    }
  },

  function* secrets({ externalSecrets, tempo, loki }) {
    if (externalSecrets?.from === 'generator' && (tempo.bucket || loki.bucket)) {
      yield "settings.externalSecrets is the generator, and nobody can generate a bucket's keys: use a store, or drop the buckets";
    }
  },

  function* delivery({ app }) {
    const { longestTask, visibilityTimeout } = app;
    if (visibilityTimeout && visibilityTimeout.toSeconds() <= longestTask.toSeconds()) {
      yield `settings.app.visibilityTimeout is ${visibilityTimeout.toSeconds()} s and longestTask ${longestTask.toSeconds()} s: a task that runs that long would be given to a second worker; make the timeout longer`;
    }
  },
];

/** What a time is written in: retentions in hours, all else in seconds. */
function unitOf(path: string): { readonly name: 'hours' | 'seconds'; readonly milliseconds: number } {
  return path.endsWith('.retention') ? { name: 'hours', milliseconds: 3_600_000 } : { name: 'seconds', milliseconds: 1000 };
}

/** A size of at least a MiB, and no part of one. */
function whole(size: Size): boolean {
  const mebibytes = size.toKibibytes({ rounding: 2 }) / 1024;
  return Number.isInteger(mebibytes) && mebibytes > 0;
}

function twice(values: readonly string[]): Set<string> {
  return new Set(values.filter((value, at) => values.indexOf(value) !== at));
}

/** Every value of a tree of plain objects and arrays, with its path. */
function* leaves(value: unknown, path: string): Iterable<[string, unknown]> {
  const plain = Array.isArray(value) || (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype);
  if (!plain) yield [path, value];
  else
    for (const [key, inner] of Object.entries(value as object))
      yield* leaves(inner, Array.isArray(value) ? `${path}[${key}]` : `${path}.${key}`);
}
