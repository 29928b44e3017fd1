import assert from 'node:assert/strict';
import { parse, stringify } from 'yaml';
import type { Check, Suite } from './check.ts';
import { editFile } from './manifests.ts';
import { sum } from './metrics.ts';
import type { Pod } from './pod.ts';
import { eventually } from './process.ts';
import type { Sandbox } from './sandbox.ts';

const FILE = '/etc/loki/loki.yaml';
const TRACE = '5b8efff798038103d269b633813fc60c';

/** Loki that stores chunks on its disk, because the sandbox has no bucket; not started. */
export function lokiPod(sandbox: Sandbox): Pod {
  const pod = sandbox.pod('loki');
  pod.edit(FILE, (text) => {
    const config = parse(text);
    config.common.storage = { filesystem: { chunks_directory: '/loki/chunks', rules_directory: '/loki/rules' } };
    config.compactor.delete_request_store = 'filesystem';
    for (const schema of config.schema_config.configs) schema.object_store = 'filesystem';
    return stringify(config);
  });
  return pod;
}

async function startLoki(sandbox: Sandbox): Promise<Pod> {
  const pod = lokiPod(sandbox);
  await pod.startUntil('startup', 60);
  return pod;
}

/** Sends one line with a trace id in OTLP's JSON; `instance` is the sending process. */
async function push(pod: Pod, instance = 'one'): Promise<void> {
  const attributes = { 'service.name': 'shop', 'service.instance.id': instance, 'k8s.pod.name': `shop-${instance}` };
  const resource = { attributes: Object.entries(attributes).map(([key, value]) => ({ key, value: { stringValue: value } })) };
  const record = { timeUnixNano: `${Date.now()}000000`, body: { stringValue: 'sold out' }, traceId: TRACE };
  const status = await pod.post('loki', '/otlp/v1/logs', { resourceLogs: [{ resource, scopeLogs: [{ logRecords: [record] }] }] });
  assert.ok([200, 204].includes(status), `it rejects lines with the status ${status}`);
}

const keyChecks: readonly Check[] = [
  {
    name: 'Every key of the Loki configuration exists, at every depth',
    async run(sandbox) {
      await sandbox.pod('loki').run(['configkeys', 'loki', FILE]);
    },
    broken: { edit: editFile('loki', 'loki.yaml', 'delete_request_store', 'shared_store'), error: /shared_store: unknown key/ },
  },
];

const serverChecks: readonly Check[] = [
  {
    name: 'Loki accepts its configuration',
    async run(sandbox) {
      await sandbox.pod('loki').complete({ args: (args) => [...args, '-verify-config=true'] });
    },
    // Retention requires a store for delete requests.
    broken: { edit: editFile('loki', 'loki.yaml', / *delete_request_store: .*\n/, ''), error: /delete-request-store should be/ },
  },
  {
    name: 'Every Loki probe succeeds, and a line received by OTLP is found by its trace id (chunks on its disk)',
    async run(sandbox) {
      const pod = await startLoki(sandbox);
      await pod.waitFor('readiness', 5);
      await pod.waitFor('liveness', 5);
      await push(pod);
      const query = new URLSearchParams({ query: `{service_name="shop"} | trace_id="${TRACE}"` });
      const found = async () => (await pod.text('loki', `/loki/api/v1/query_range?${query}`)).includes('sold out');
      await eventually(found, 20, 'the line is found');
    },
    broken: { edit: editFile('loki', 'loki.yaml', 'auth_enabled: false', 'auth_enabled: true'), error: /with the status 401/ },
  },
  {
    name: 'Loki stores the lines of all pods and processes of a service in one stream (chunks on its disk)',
    async run(sandbox) {
      const pod = await startLoki(sandbox);
      for (const instance of ['one', 'two', 'three']) await push(pod, instance);
      assert.equal(sum(await pod.text('loki', '/metrics'), 'loki_ingester_memory_streams'), 1, 'a service has more than one stream');
    },
    broken: {
      edit: editFile(
        'loki',
        'loki.yaml',
        /distributor:\n +otlp_config:\n +default_resource_attributes_as_index_labels:\n(?: +- .*\n)+/,
        '',
      ),
      error: /more than one stream/,
    },
  },
];

export const lokiKeys: Suite = { name: 'loki keys', programs: ['configkeys'], keysOnly: true, checks: keyChecks };

export const loki: Suite = { name: 'loki', programs: ['loki'], checks: serverChecks };
