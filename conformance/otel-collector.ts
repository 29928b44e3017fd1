import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import type { Check, Suite } from './check.ts';
import { editFile, wrapInShell } from './manifests.ts';
import { metricsUsed, missing } from './metrics.ts';
import { FakeStores, sendGrpc, sendHttp } from './otlp.ts';
import { exportRequest, signals } from './otlp-messages.ts';
import type { Pod } from './pod.ts';
import { eventually } from './process.ts';
import type { Sandbox } from './sandbox.ts';

const CONFIG = '/etc/otel-collector/collector.yaml';
const UNAVAILABLE = 14;

/** A ready collector in front of fake stores, which run unless they are `away`. */
async function startCollector(sandbox: Sandbox, { away = false } = {}) {
  const stores = new FakeStores(sandbox);
  if (!away) await stores.start();
  const pod = sandbox.pod('otel-collector-0');
  return { pod, stores, collector: await pod.startUntil('readiness', 20) };
}

/** Sends one record of each signal. Throws when one is rejected. */
async function send(pod: Pod, sender: string): Promise<void> {
  for (const signal of signals) assert.equal(await sendGrpc(pod, signal, exportRequest(signal, sender)), 0, `${signal} are rejected`);
}

/** Changes the pod's configuration: pairs of a text and its replacement. */
function configure(pod: Pod, ...changes: readonly (readonly [RegExp, string])[]): void {
  pod.edit(CONFIG, (text) => changes.reduce((all, [from, to]) => all.replace(from, to), text));
}

/**
 * Sends requests of 3 MiB from eight senders until the collector rejects both gRPC and HTTP.
 * @returns the senders whose requests were accepted
 */
async function overload(pod: Pod, most: number): Promise<readonly string[]> {
  const accepted: string[] = [];
  const rejections = new Set<number>();
  const sendMany = async (protocol: typeof sendHttp, worker: number) => {
    for (let index = 0; rejections.size < 2 && accepted.length < most; index += 1) {
      const sender = `sender-${worker}-${index}`;
      const status = await protocol(pod, 'logs', exportRequest('logs', sender, { bytes: 3 << 20 }));
      if (status === 200 || status === 0) accepted.push(sender);
      else rejections.add(status);
    }
  };
  await Promise.all(Array.from({ length: 8 }, (_, worker) => sendMany(worker % 2 === 0 ? sendHttp : sendGrpc, worker)));
  assert.deepEqual(rejections, new Set([503, UNAVAILABLE]), 'it does not reject over gRPC and HTTP');
  return accepted;
}

async function acceptsAgain(pod: Pod): Promise<void> {
  await eventually(async () => (await sendHttp(pod, 'logs', exportRequest('logs', 'afterwards'))) === 200, 60, 'it accepts requests again');
}

const editConfig = (from: string | RegExp, to: string) => editFile('otel-collector', 'collector.yaml', from, to);

const checks: readonly Check[] = [
  {
    name: 'The collector accepts its configuration',
    async run(sandbox) {
      await sandbox.pod('otel-collector-0').run(['otelcol-contrib', 'validate', `--config=${CONFIG}`]);
    },
    broken: { edit: editConfig('limit_percentage', 'limit_percent'), error: /limit_percent/ },
  },
  {
    name: 'The collector starts without a warning; every probe succeeds, and fails when the collector is stopped or ended',
    async run(sandbox) {
      const { pod, collector } = await startCollector(sandbox);
      await pod.waitFor('liveness', 5);
      const warning = collector.output.split('\n').find((line) => /\twarn\t|deprecated/.test(line));
      assert.equal(warning, undefined, warning);
      await collector.signal('SIGSTOP');
      await eventually(async () => !(await pod.probe('readiness')), 10, 'it is not ready while it is stopped');
      await collector.kill();
      assert.equal(await pod.probe('readiness'), false, 'ready after its end');
      assert.equal(await pod.probe('liveness'), false, 'alive after its end');
    },
    broken: { edit: editConfig(/(health_check:\n +endpoint: )0\.0\.0\.0/, '$1localhost'), error: /readiness probe/ },
  },
  {
    name: 'The collector exports each signal to its store with the attributes of its sender, received over gRPC and HTTP',
    async run(sandbox) {
      const { pod, stores } = await startCollector(sandbox);
      for (const signal of signals) {
        assert.equal(await sendGrpc(pod, signal, exportRequest(signal, `${signal}-by-grpc`)), 0);
        assert.equal(await sendHttp(pod, signal, exportRequest(signal, `${signal}-by-http`)), 200);
      }
      for (const signal of signals) {
        const store = stores.of(signal);
        for (const protocol of ['grpc', 'http']) {
          await eventually(() => store.has(`${signal}-by-${protocol}`), 10, `${signal} by ${protocol} arrive`);
        }
        const others = store.received.filter((each) => !each.includes(`=${signal}-by-`));
        assert.deepEqual(others, [], `the store of ${signal} receives another signal`);
      }
    },
    broken: { edit: editConfig(/loki:\d+\/otlp/, '$&/v1/logs'), error: /logs by grpc arrive/ },
  },
  {
    name: 'The collector rejects over gRPC and HTTP while its memory is full, and accepts afterwards (limit lowered to 48 MiB, a queue that does not fill)',
    async run(sandbox) {
      const pod = sandbox.pod('otel-collector-0');
      configure(
        pod,
        [/ limit_percentage: \d+/, ' limit_mib: 48'],
        [/spike_limit_percentage: \d+/, 'spike_limit_mib: 8'],
        [/queue_size: \d+/g, `queue_size: ${2 ** 33}`],
        [/(create_directory: true\n +max_size:) \d+/, `$1 ${2 ** 33}`],
      );
      await pod.startUntil('readiness', 20);
      await overload(pod, 150);
      await acceptsAgain(pod);
    },
    broken: { edit: editConfig(/- memory_limiter/g, ''), error: /does not reject/ },
  },
  {
    name: 'The collector rejects over gRPC and HTTP while its queue is full, and exports all that it accepted (queue of 24 MiB)',
    async run(sandbox) {
      const stores = new FakeStores(sandbox);
      const pod = sandbox.pod('otel-collector-0');
      configure(pod, [/queue_size: \d+/g, `queue_size: ${24 << 20}`]);
      await pod.startUntil('readiness', 20);
      const accepted = await overload(pod, 40);
      await stores.start();
      await acceptsAgain(pod);
      await eventually(() => accepted.every((sender) => stores.of('logs').has(sender)), 60, 'every accepted request arrives');
    },
    broken: { edit: editConfig(/sizer: bytes\n +queue_size/g, 'queue_size'), error: /does not reject/ },
  },
  {
    name: 'The collector drops nothing while its stores are away for a minute, and exports it when they are back',
    timeoutSeconds: 200,
    async run(sandbox) {
      const { pod, stores } = await startCollector(sandbox);
      await send(pod, 'before');
      await stores.waitFor('before', 10);
      stores.stop();
      await send(pod, 'while-away');
      await pause(60_000);
      const failed = (await pod.text('metrics', '/metrics')).match(/^otelcol_exporter_send_failed_.* [1-9]\d*$/m);
      assert.equal(failed, null, 'the collector dropped records');
      await stores.start();
      await stores.waitFor('while-away', 120);
    },
    broken: { edit: editConfig(/max_elapsed_time: 0s/g, 'max_elapsed_time: 30s'), error: /dropped records/ },
  },
  {
    name: 'The queue of every collector survives SIGTERM and SIGKILL while the stores are away',
    async run(sandbox) {
      const stores = new FakeStores(sandbox);
      const names = sandbox.manifests.map(({ metadata }) => metadata.name).filter((name) => /^otel-collector-\d+$/.test(name));
      const collectors = [...new Set(names)].map((name) => sandbox.pod(name));
      for (const pod of collectors) {
        const first = await pod.startUntil('readiness', 20);
        await send(pod, `${pod.name}-before-sigterm`);
        assert.equal(await first.stop(20), 0);
        const second = await pod.startUntil('readiness', 20);
        await send(pod, `${pod.name}-before-sigkill`);
        await second.kill();
        pod.start();
      }
      await stores.start();
      for (const { name } of collectors) for (const end of ['sigterm', 'sigkill']) await stores.waitFor(`${name}-before-${end}`, 30);
    },
    broken: { edit: editConfig(/storage: file_storage/g, ''), error: /traces of otel-collector-0-before-sigterm arrive/ },
  },
  {
    name: 'On SIGTERM the collector exports all that it accepted and exits with 0 within the grace period',
    async run(sandbox) {
      const { pod, stores, collector } = await startCollector(sandbox);
      await send(pod, 'before-the-end');
      assert.equal(await pod.stop(collector), 0);
      for (const signal of signals) assert.ok(stores.of(signal).has('before-the-end'), `${signal} are lost`);
    },
    broken: { edit: wrapInShell('otel-collector-0', 'otelcol-contrib'), error: /did not end within 5 s/ },
  },
  {
    name: 'The collector serves every metric that the rules use once a queue was full and a store has rejected an export (queue of one request)',
    async run(sandbox) {
      const stores = new FakeStores(sandbox);
      const pod = sandbox.pod('otel-collector-0');
      configure(pod, [/sizer: bytes(\n +)queue_size: \d+/g, 'sizer: requests$1queue_size: 1']);
      await pod.startUntil('readiness', 20);
      const names = metricsUsed(sandbox.manifests, 'otelcol');
      for (const signal of signals) {
        const full = async () => (await sendGrpc(pod, signal, exportRequest(signal, 'queued'))) !== 0;
        await eventually(full, 10, `the queue of ${signal} is full`);
        stores.of(signal).rejects = true;
      }
      await stores.start();
      let lacking = names;
      const served = async () => {
        lacking = missing(names, await pod.text('metrics', '/metrics'));
        return lacking.length === 0;
      };
      await eventually(served, 30, 'every metric is served').catch((error: Error) => {
        throw new Error(`${error.message}, except ${lacking.join(', ')}`);
      });
    },
    broken: { edit: editConfig('without_type_suffix: true', 'without_type_suffix: false'), error: /otelcol_receiver_refused_spans/ },
  },
];

/** The collector, with fake stores behind it. */
export const otelCollector: Suite = { name: 'otel collector', programs: ['otelcol-contrib'], checks };
