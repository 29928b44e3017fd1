import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LARGEST_REQUEST } from '../lib/telemetry.ts';
import { type Check, replaceIn, type Service } from './check.ts';
import { lokiPod } from './loki.ts';
import { overGrpc, overHttp } from './otlp.ts';
import type { Pod } from './pod.ts';
import { eventually } from './program.ts';
import { exportedMany, type Signal } from './protobuf.ts';
import type { Sandbox } from './sandbox.ts';
import { tempoPod } from './tempo.ts';

/** What an SDK sends at once, and what that many requests add up to. */
const BATCH = 500;
const REQUESTS = 40;
const RECORDS = BATCH * REQUESTS;
const KIB = 1024;
/** Bytes of the largest request, less what a record carries besides its text. */
const LARGEST = LARGEST_REQUEST.toKibibytes() * KIB;
const BESIDES = 200;

const textOf = async (url: string) => (await fetch(url)).text();

/** The sum of a counter over its series. */
async function total(pod: Pod, port: string, counter: string): Promise<number> {
  const series = (await textOf(`${pod.url(port)}/metrics`)).matchAll(new RegExp(`^${counter}(?:{[^}]*})? (\\S+)$`, 'gm'));
  return [...series].reduce((sum, [, value]) => sum + Number(value), 0);
}

/** How many records of a signal its store keeps; throws when it has thrown some away. */
const stores: Readonly<Record<Signal, { readonly pod: (sandbox: Sandbox) => Pod; readonly kept: (pod: Pod) => Promise<number> }>> = {
  traces: {
    pod: tempoPod,
    async kept(pod) {
      const discarded = await total(pod, 'tempo', 'tempo_discarded_spans_total');
      assert.equal(discarded, 0, `Tempo discarded ${discarded} spans`);
      return total(pod, 'tempo', 'tempo_distributor_spans_received_total');
    },
  },
  logs: { pod: lokiPod, kept: (pod) => total(pod, 'loki', 'loki_distributor_lines_received_total') },
  metrics: {
    pod: (sandbox) => sandbox.pod('StatefulSet', 'prometheus'),
    async kept(pod) {
      const query = new URLSearchParams({ query: 'count(backlog)' });
      const { data } = JSON.parse(await textOf(`${pod.url('prometheus')}/api/v1/query?${query}`));
      return Number(data.result[0]?.value[1] ?? 0);
    },
  },
};

/** The collector, ready, and the store of a signal, which is away. */
async function outage(sandbox: Sandbox, signal: Signal): Promise<{ readonly collector: Pod; readonly store: Pod }> {
  const store = stores[signal].pod(sandbox);
  const collector = sandbox.pod('Deployment', 'otel-collector-0');
  collector.start();
  await collector.until('readiness', 20);
  return { collector, store };
}

async function back(store: Pod): Promise<void> {
  store.start();
  await store.until('startup', 60);
}

/** Waits until the store keeps that many records, which it was sent by several tries at the most. */
async function arrive(signal: Signal, store: Pod, records: number): Promise<void> {
  let kept = 0;
  const all = async () => {
    kept = await stores[signal].kept(store);
    return kept >= records;
  };
  await eventually(all, 100, `all ${records} ${signal} arrive`).catch((error) => {
    throw new Error(`${error.message}: ${kept} did`);
  });
}

const backlog = (signal: Signal, broken: Check['broken']): Check => ({
  name: `${RECORDS} ${signal} of 1 KiB, queued while the store is away, all arrive when it is back`,
  within: 240,
  async run(sandbox) {
    const { collector, store } = await outage(sandbox, signal);
    for (let sent = 0; sent < REQUESTS; sent += 1) {
      assert.equal(await overGrpc(collector, signal, exportedMany(signal, `sender-${sent}`, BATCH, KIB)), 0, 'a request is refused');
    }
    await back(store);
    await arrive(signal, store, RECORDS);
  },
  ...(broken && { broken }),
});

const oversized = (signal: Signal, broken: Check['broken']): Check => ({
  name: `the largest request of ${signal} that the collector accepts arrives, and a larger one is refused`,
  within: 180,
  async run(sandbox) {
    const { collector, store } = await outage(sandbox, signal);
    await back(store);
    const records = Math.floor(LARGEST / (KIB + BESIDES));
    assert.equal(await overGrpc(collector, signal, exportedMany(signal, 'many', records, KIB)), 0, 'many records are refused');
    assert.equal(await overHttp(collector, signal, exportedMany(signal, 'one', 1, LARGEST - BESIDES)), 200, 'one large record is refused');
    const tooLarge = exportedMany(signal, 'too-large', 1, LARGEST);
    assert.equal(await overGrpc(collector, signal, tooLarge), 8, 'a larger request is not refused over gRPC');
    assert.ok((await overHttp(collector, signal, tooLarge)) >= 400, 'a larger request is not refused over HTTP');
    await arrive(signal, store, records + 1);
  },
  ...(broken && { broken }),
});

const collectorWith = (from: string | RegExp, to: string) => (all: Parameters<typeof replaceIn>[0]) =>
  replaceIn(all, 'otel-collector', 'collector.yaml', from, to);

const tempoWith = (from: string | RegExp, to: string) => (all: Parameters<typeof replaceIn>[0]) =>
  replaceIn(all, 'tempo', 'tempo.yaml', from, to);

const lokiWith = (from: string | RegExp, to: string) => (all: Parameters<typeof replaceIn>[0]) =>
  replaceIn(all, 'loki', 'loki.yaml', from, to);

const checks: readonly Check[] = [
  backlog('traces', { by: tempoWith('max_traces_per_user: 0', 'max_traces_per_user: 100'), says: /Tempo discarded \d+ spans/ }),
  backlog('logs', { by: lokiWith(/ingestion_burst_size_mb: \d+/, 'ingestion_burst_size_mb: 0.25'), says: /all 20000 logs arrive/ }),
  backlog('metrics', { by: collectorWith('/api/v1/otlp', '/api/v1/otpl'), says: /all 20000 metrics arrive/ }),
  oversized('traces', { by: tempoWith(/max_recv_msg_size_mib: \d+/, 'max_recv_msg_size_mib: 1'), says: /all \d+ traces arrive/ }),
  oversized('logs', { by: lokiWith(/ingestion_burst_size_mb: \d+/, 'ingestion_burst_size_mb: 3'), says: /all \d+ logs arrive/ }),
  oversized('metrics', { by: collectorWith('/api/v1/otlp', '/api/v1/otpl'), says: /all \d+ metrics arrive/ }),
  {
    name: "36000 lines of a sender with 1 KiB of attributes arrive, though Loki's push is ten times the request",
    within: 180,
    async run(sandbox) {
      const { collector, store } = await outage(sandbox, 'logs');
      await back(store);
      const attributes = { 'process.command_args': 'x'.repeat(KIB) };
      assert.equal(
        await overGrpc(collector, 'logs', exportedMany('logs', 'java', 36_000, 80, { attributes })),
        0,
        'the request is refused',
      );
      await arrive('logs', store, 36_000);
    },
    // Not split, the push has about 40 MB.
    broken: {
      by: (all) => {
        collectorWith(/sizer: items\n( +)min_size: 1\n +max_size: \d+/, 'sizer: bytes\n$1min_size: 1000\n$1max_size: 4194304')(all);
        lokiWith(/ingestion_burst_size_mb: \d+/, 'ingestion_burst_size_mb: 36')(all);
      },
      says: /all 36000 logs arrive/,
    },
  },
  {
    name: 'every collector is stopped and started while Tempo is away: all that they accepted arrives',
    within: 120,
    async run(sandbox) {
      const store = tempoPod(sandbox);
      const collectors = sandbox.manifests.filter(
        ({ kind, metadata }) => kind === 'Deployment' && /^otel-collector-\d+$/.test(metadata.name),
      );
      for (const { metadata } of collectors) {
        const collector = sandbox.pod('Deployment', metadata.name);
        const first = collector.start();
        await collector.until('readiness', 20);
        assert.equal(await overGrpc(collector, 'traces', exportedMany('traces', metadata.name, 100, KIB)), 0, 'a request is refused');
        assert.equal(await first.stop(20), 0);
        collector.start();
      }
      await back(store);
      await arrive('traces', store, 100 * collectors.length);
    },
    broken: { by: collectorWith(/storage: file_storage/g, ''), says: /all \d+ traces arrive/ },
  },
  {
    name: 'the disk that a queue took in an outage is given back (from 8 MiB on)',
    within: 180,
    async run(sandbox) {
      const store = tempoPod(sandbox);
      const collector = sandbox.pod('Deployment', 'otel-collector-0');
      const file = collector.file('/etc/otel-collector/collector.yaml');
      writeFileSync(file, readFileSync(file, 'utf8').replace(/rebound_needed_threshold_mib: \d+/, 'rebound_needed_threshold_mib: 8'));
      collector.start();
      await collector.until('readiness', 20);
      for (let sent = 0; sent < 20; sent += 1)
        assert.equal(await overGrpc(collector, 'traces', exportedMany('traces', `sender-${sent}`, 1000, KIB)), 0, 'a request is refused');
      const queue = collector.file('/var/lib/otelcol/queue');
      const taken = () => readdirSync(queue).reduce((sum, name) => sum + statSync(join(queue, name)).size, 0) / 2 ** 20;
      assert.ok(taken() > 16, `the queue takes ${taken()} MiB`);
      await back(store);
      await arrive('traces', store, 20_000);
      await eventually(() => taken() < 12, 40, 'the queue takes less than 12 MiB');
    },
    broken: { by: collectorWith('on_rebound: true', 'on_rebound: false'), says: /takes less than 12 MiB/ },
  },
  {
    name: "what Prometheus refuses of one sender costs no other sender's points",
    within: 120,
    async run(sandbox) {
      const { collector, store } = await outage(sandbox, 'metrics');
      const old = (BigInt(Date.now()) - 8n * 3_600_000n) * 1_000_000n;
      // Once a sample of now is stored, one of eight hours ago is refused.
      assert.equal(await overGrpc(collector, 'metrics', exportedMany('metrics', 'first', 10, 10)), 0);
      await back(store);
      await arrive('metrics', store, 10);
      for (let sender = 0; sender < 10; sender += 1) {
        assert.equal(await overGrpc(collector, 'metrics', exportedMany('metrics', `late-${sender}`, 10, 10, { time: old })), 0);
        assert.equal(await overGrpc(collector, 'metrics', exportedMany('metrics', `right-${sender}`, 10, 10)), 0);
      }
      await arrive('metrics', store, 110);
    },
    broken: {
      by: collectorWith(/(otlp_http\/prometheus:[\s\S]*?num_consumers: \d+)/, '$1\n      batch: {}'),
      says: /all 110 metrics arrive/,
    },
  },
];

/** From the collector to the stores: no limit of one is smaller than what another sends. */
export const telemetry: Service = { name: 'telemetry', programs: ['otelcol-contrib', 'tempo', 'loki', 'prometheus'], checks };
