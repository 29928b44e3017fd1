import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { parse, stringify } from 'yaml';
import { type Check, replaceIn, type Service } from './check.ts';
import type { Pod } from './pod.ts';
import { eventually } from './program.ts';
import type { Sandbox } from './sandbox.ts';

const FILE = '/etc/loki/loki.yaml';

/** Loki with its chunks on its disk, since no bucket is at hand; not started. */
export function lokiPod(sandbox: Sandbox): Pod {
  const pod = sandbox.pod('StatefulSet', 'loki');
  const config = parse(readFileSync(pod.file(FILE), 'utf8'));
  config.common.storage = { filesystem: { chunks_directory: '/loki/chunks', rules_directory: '/loki/rules' } };
  config.compactor.delete_request_store = 'filesystem';
  for (const schema of config.schema_config.configs) schema.object_store = 'filesystem';
  writeFileSync(pod.file(FILE), stringify(config));
  return pod;
}

async function up(sandbox: Sandbox): Promise<Pod> {
  const pod = lokiPod(sandbox);
  pod.start();
  await pod.until('startup', 60);
  return pod;
}

/** One line with a trace id, as OTLP has it in JSON; `instance` is the process that sends it. */
function line(instance = 'one'): string {
  const attributes = { 'service.name': 'shop', 'service.instance.id': instance, 'k8s.pod.name': `shop-${instance}` };
  const resource = { attributes: Object.entries(attributes).map(([key, value]) => ({ key, value: { stringValue: value } })) };
  const record = { timeUnixNano: `${Date.now()}000000`, body: { stringValue: 'sold out' }, traceId: '5b8efff798038103d269b633813fc60c' };
  return JSON.stringify({ resourceLogs: [{ resource, scopeLogs: [{ logRecords: [record] }] }] });
}

async function push(pod: Pod, body: string): Promise<void> {
  const request = { method: 'POST', headers: { 'Content-Type': 'application/json' }, body };
  const { status } = await fetch(`${pod.url('loki')}/otlp/v1/logs`, request);
  assert.ok([200, 204].includes(status), `it takes no lines: it answered ${status}`);
}

const keys: readonly Check[] = [
  {
    name: 'every key of its configuration is known, at every depth',
    async run(sandbox) {
      const { status, output } = await sandbox.pod('StatefulSet', 'loki').exec(['configkeys', 'loki', FILE]);
      assert.equal(status, 0, output);
    },
    broken: { by: (all) => replaceIn(all, 'loki', 'loki.yaml', 'delete_request_store', 'shared_store'), says: /shared_store: unknown key/ },
  },
];

const server: readonly Check[] = [
  {
    name: 'finds nothing wrong with its configuration',
    async run(sandbox) {
      const program = sandbox.pod('StatefulSet', 'loki').start(undefined, { args: (args) => [...args, '-verify-config=true'] });
      const status = await program.ended;
      assert.equal(status, 0, program.output.trim().split('\n').at(-1));
    },
    // Without a store for what is to be deleted, it refuses to delete.
    broken: {
      by: (all) => replaceIn(all, 'loki', 'loki.yaml', / *delete_request_store: .*\n/, ''),
      says: /delete-request-store should be/,
    },
  },
  {
    name: 'every probe is answered, and a line is taken in by OTLP and found by its trace (its chunks on its disk)',
    async run(sandbox) {
      const pod = await up(sandbox);
      await pod.until('readiness', 5);
      await pod.until('liveness', 5);
      await push(pod, line());
      const query = new URLSearchParams({ query: '{service_name="shop"} | trace_id="5b8efff798038103d269b633813fc60c"' });
      const found = async () => (await (await fetch(`${pod.url('loki')}/loki/api/v1/query_range?${query}`)).text()).includes('sold out');
      await eventually(found, 20, 'the line is found');
    },
    broken: { by: (all) => replaceIn(all, 'loki', 'loki.yaml', 'auth_enabled: false', 'auth_enabled: true'), says: /it answered 401/ },
    within: 120,
  },
  {
    name: 'a service has one stream, however many pods and processes it had (its chunks on its disk)',
    async run(sandbox) {
      const pod = await up(sandbox);
      for (const instance of ['one', 'two', 'three']) await push(pod, line(instance));
      const metrics = await (await fetch(`${pod.url('loki')}/metrics`)).text();
      const [, streams] = /^loki_ingester_memory_streams\{[^}]*\} (\S+)$/m.exec(metrics) ?? [];
      assert.equal(streams, '1', `one service has ${streams} streams`);
    },
    broken: {
      by: (all) =>
        replaceIn(
          all,
          'loki',
          'loki.yaml',
          /distributor:\n +otlp_config:\n +default_resource_attributes_as_index_labels:\n(?: +- .*\n)+/,
          '',
        ),
      says: /one service has 3 streams/,
    },
    within: 120,
  },
];

export const loki: Service = { name: 'loki keys', programs: ['configkeys'], keysOnly: true, checks: keys };

export const lokiServer: Service = { name: 'loki', programs: ['loki'], checks: server };
