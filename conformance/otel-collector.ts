import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { Manifest } from '../lib/render.ts';
import { behindShell, type Check, replaceIn, type Service } from './check.ts';
import { all, overGrpc, overHttp, Store } from './otlp.ts';
import type { Pod } from './pod.ts';
import { eventually } from './program.ts';
import { exported } from './protobuf.ts';
import type { Sandbox } from './sandbox.ts';

const CONFIG = '/etc/otel-collector/collector.yaml';
const UNAVAILABLE = 14;

const storesOf = (sandbox: Sandbox) => ({
  traces: new Store(sandbox, 'traces'),
  logs: new Store(sandbox, 'logs'),
  metrics: new Store(sandbox, 'metrics'),
});

type Stores = ReturnType<typeof storesOf>;

/** The collector, up and ready, and the stores. */
async function up(sandbox: Sandbox, { away = false } = {}) {
  const stores = storesOf(sandbox);
  if (!away) await startAll(stores);
  const pod = sandbox.pod('Deployment', 'otel-collector-0');
  return { pod, stores, collector: await start(pod) };
}

async function start(pod: Pod) {
  const collector = pod.start('otel-collector');
  await pod.until('readiness', 20);
  return collector;
}

/** Sends one of each; all are accepted. */
async function send(pod: Pod, name: string): Promise<void> {
  for (const signal of all) assert.equal(await overGrpc(pod, signal, exported(signal, name)), 0, `${signal} are refused`);
}

async function arrive(stores: Stores, name: string, seconds: number): Promise<void> {
  for (const signal of all) await eventually(() => stores[signal].has(name), seconds, `${signal} sent ${name} arrive`);
}

const metricsOf = async (pod: Pod) => (await fetch(`${pod.url('metrics')}/metrics`)).text();

async function startAll(stores: Stores): Promise<void> {
  for (const signal of all) await stores[signal].start();
}

/** Changes the pod's copy of the configuration: texts and what replaces them, in turn. */
function change(pod: Pod, ...changes: readonly (RegExp | string)[]): void {
  let text = readFileSync(pod.file(CONFIG), 'utf8');
  for (let at = 0; at < changes.length; at += 2) text = text.replace(changes[at] ?? '', String(changes[at + 1]));
  writeFileSync(pod.file(CONFIG), text);
}

/** Eight senders of 3 MiB each, until both ways are refused; the names under which something was accepted. */
async function press(pod: Pod, most: number): Promise<readonly string[]> {
  const accepted: string[] = [];
  const refusals = new Set<number>();
  const send = async (way: typeof overHttp, worker: number) => {
    for (let index = 0; refusals.size < 2 && accepted.length < most; index += 1) {
      const sender = `sender-${worker}-${index}`;
      const status = await way(pod, 'logs', exported('logs', sender, 'x'.repeat(3 << 20)));
      if (status === 200 || status === 0) accepted.push(sender);
      else refusals.add(status);
    }
  };
  await Promise.all([overHttp, overGrpc, overHttp, overGrpc, overHttp, overGrpc, overHttp, overGrpc].map(send));
  assert.deepEqual(refusals, new Set([503, UNAVAILABLE]), 'it does not refuse over both');
  return accepted;
}

const misconfigured = (from: string | RegExp, to: string) => (manifests: readonly Manifest[]) =>
  replaceIn(manifests, 'otel-collector', 'collector.yaml', from, to);

const checks: readonly Check[] = [
  {
    name: 'validate takes the configuration',
    async run(sandbox) {
      const { status, output } = await sandbox
        .pod('Deployment', 'otel-collector-0')
        .exec(['otelcol-contrib', 'validate', `--config=${CONFIG}`]);
      assert.equal(status, 0, output.trim().split('\n').at(-1));
    },
    broken: { by: misconfigured('limit_percentage', 'limit_percent'), says: /limit_percent/ },
  },
  {
    name: 'boots from the generated configuration without a warning, and every probe is answered; none when it is gone',
    async run(sandbox) {
      const { pod, collector } = await up(sandbox);
      await pod.until('liveness', 5);
      const warning = collector.output.split('\n').find((line) => /\twarn\t|deprecated/.test(line));
      assert.equal(warning, undefined, warning);
      await collector.signal('SIGSTOP');
      await eventually(async () => !(await pod.probe('readiness')), 10, 'not ready while it is stopped');
      await collector.kill();
      assert.equal(await pod.probe('readiness'), false, 'ready while it is gone');
      assert.equal(await pod.probe('liveness'), false, 'alive while it is gone');
    },
    broken: { by: misconfigured('0.0.0.0:13133', 'localhost:13133'), says: /readiness probe/ },
  },
  {
    name: 'hands each signal to its store with what it says of its sender, over gRPC and over HTTP',
    async run(sandbox) {
      const { pod, stores } = await up(sandbox);
      for (const signal of all) {
        assert.equal(await overGrpc(pod, signal, exported(signal, `${signal}-by-grpc`)), 0);
        assert.equal(await overHttp(pod, signal, exported(signal, `${signal}-by-http`)), 200);
      }
      for (const signal of all) {
        for (const way of ['grpc', 'http']) {
          await eventually(() => stores[signal].has(`${signal}-by-${way}`), 10, `${signal} by ${way} arrive`);
        }
        const others = stores[signal].received.filter((each) => !each.includes(`=${signal}-by-`));
        assert.deepEqual(others, [], `the store of ${signal} is sent something else`);
      }
    },
    broken: { by: misconfigured('loki:3100/otlp', 'loki:3100/otlp/v1/logs'), says: /logs by grpc arrive/ },
  },
  {
    name: 'refuses while its memory is full, over gRPC and over HTTP, and takes again (memory limited to 48 MiB, a queue that does not fill)',
    within: 180,
    async run(sandbox) {
      const pod = sandbox.pod('Deployment', 'otel-collector-0');
      change(pod, / limit_percentage: \d+/, ' limit_mib: 48', /spike_limit_percentage: \d+/, 'spike_limit_mib: 8');
      change(pod, /queue_size: \d+/g, `queue_size: ${2 ** 33}`, /(create_directory: true\n +max_size:) \d+/, `$1 ${2 ** 33}`);
      await start(pod);
      await press(pod, 150);
      await eventually(async () => (await overHttp(pod, 'logs', exported('logs', 'afterwards'))) === 200, 60, 'it takes again');
    },
    broken: { by: misconfigured(/- memory_limiter/g, ''), says: /does not refuse/ },
  },
  {
    name: 'refuses while its queue is full, over gRPC and over HTTP, and all that it accepted arrives (a queue of 24 MiB)',
    within: 180,
    async run(sandbox) {
      const stores = storesOf(sandbox);
      const pod = sandbox.pod('Deployment', 'otel-collector-0');
      change(pod, /queue_size: \d+/g, `queue_size: ${24 << 20}`);
      await start(pod);
      const accepted = await press(pod, 40);
      await startAll(stores);
      await eventually(async () => (await overHttp(pod, 'logs', exported('logs', 'afterwards'))) === 200, 60, 'it takes again');
      await eventually(() => accepted.every((sender) => stores.logs.has(sender)), 60, 'all that it accepted arrives');
    },
    broken: { by: misconfigured(/sizer: bytes\n +queue_size/g, 'queue_size'), says: /does not refuse/ },
  },
  {
    name: 'what the stores missed in a minute arrives when they are back, and nothing was given up',
    within: 200,
    async run(sandbox) {
      const { pod, stores } = await up(sandbox);
      await send(pod, 'before');
      await arrive(stores, 'before', 10);
      for (const signal of all) stores[signal].stop();
      await send(pod, 'while-away');
      await pause(60_000);
      const failed = (await metricsOf(pod)).match(/^otelcol_exporter_send_failed_.* [1-9]\d*$/m);
      assert.equal(failed, null, 'something was given up');
      await startAll(stores);
      await arrive(stores, 'while-away', 120);
    },
    broken: { by: misconfigured(/max_elapsed_time: 0s/g, 'max_elapsed_time: 30s'), says: /given up/ },
  },
  {
    name: 'what it accepted while the stores were away outlives SIGTERM and SIGKILL',
    async run(sandbox) {
      const { pod, stores, collector } = await up(sandbox, { away: true });
      await send(pod, 'before-sigterm');
      assert.equal(await collector.stop(20), 0);
      const second = await start(pod);
      await send(pod, 'before-sigkill');
      await second.kill();
      await startAll(stores);
      await start(pod);
      for (const sender of ['before-sigterm', 'before-sigkill']) await arrive(stores, sender, 30);
    },
    broken: { by: misconfigured(/storage: file_storage/g, ''), says: /traces sent before-sigterm arrive/ },
  },
  {
    name: 'SIGTERM ends with 0 within the grace period, and what was just accepted arrives',
    within: 90,
    async run(sandbox) {
      const { pod, stores, collector } = await up(sandbox);
      await send(pod, 'before-the-end');
      const { terminationGracePeriodSeconds } = sandbox.object('Deployment', 'otel-collector-0').spec.template.spec;
      assert.equal(await collector.stop(terminationGracePeriodSeconds), 0);
      for (const signal of all) assert.ok(stores[signal].has('before-the-end'), `${signal} are lost`);
    },
    broken: { by: behindShell('otel-collector-0', 'otelcol-contrib'), says: /did not end within 5 s/ },
  },
  {
    name: 'has every metric of its own that the rules read, once a queue was full and a store has refused something (made to queue one request)',
    async run(sandbox) {
      const stores = storesOf(sandbox);
      const pod = sandbox.pod('Deployment', 'otel-collector-0');
      change(pod, /sizer: bytes(\n +)queue_size: \d+/g, 'sizer: requests$1queue_size: 1');
      await start(pod);
      const rules: string = sandbox.object('ConfigMap', 'prometheus').data['rules.yaml'];
      const names = new Set(rules.match(/\botelcol_\w+/g));
      assert.ok(names.size > 5, 'the rules read none');
      const lacking = async () => {
        const metrics = await metricsOf(pod);
        return [...names].filter((name) => !new RegExp(`^${name}[ {]`, 'm').test(metrics));
      };
      for (const signal of all) {
        await eventually(async () => (await overGrpc(pod, signal, exported(signal, 'queued'))) !== 0, 10, `the queue of ${signal} is full`);
        stores[signal].refuses = true;
      }
      await startAll(stores);
      await eventually(async () => (await lacking()).length === 0, 30, 'every metric is there').catch(async (error) => {
        throw new Error(`${error.message}, and these are not: ${await lacking()}`);
      });
    },
    broken: { by: misconfigured('without_type_suffix: true', 'without_type_suffix: false'), says: /otelcol_receiver_refused_spans/ },
  },
];

/** The door for telemetry: the stores behind it are stood in for. */
export const otelCollector: Service = { name: 'otel collector', programs: ['otelcol-contrib'], checks };
