import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { parse, stringify } from 'yaml';
import type { Check, Suite } from './check.ts';
import { editFile } from './manifests.ts';
import { sum } from './metrics.ts';
import { sendGrpc } from './otlp.ts';
import type { Pod } from './pod.ts';
import { eventually } from './process.ts';
import type { Sandbox } from './sandbox.ts';

const FILE = '/etc/tempo/tempo.yaml';
const TRACE = '5b8efff798038103d269b633813fc60c';

/** Tempo that stores blocks on its disk, because the sandbox has no bucket; not started. */
export function tempoPod(sandbox: Sandbox): Pod {
  const pod = sandbox.pod('tempo');
  pod.edit(FILE, (text) => {
    const config = parse(text);
    const { s3: _, ...trace } = config.storage.trace;
    config.storage.trace = { ...trace, backend: 'local', local: { path: '/var/tempo/blocks' } };
    return stringify(config);
  });
  return pod;
}

export async function startTempo(sandbox: Sandbox): Promise<Pod> {
  const pod = tempoPod(sandbox);
  await pod.startUntil('startup', 60);
  return pod;
}

/** Sends one span that ended so many seconds ago, in OTLP's JSON. */
async function send(pod: Pod, secondsAgo = 0): Promise<void> {
  const end = BigInt(Date.now() - 1000 * secondsAgo) * 1_000_000n;
  const times = { startTimeUnixNano: `${end - 1_000_000n}`, endTimeUnixNano: `${end}` };
  const resource = { attributes: [{ key: 'service.name', value: { stringValue: 'shop' } }] };
  const spans = [{ traceId: TRACE, spanId: 'eee19b7ec3c1b174', name: 'buy', kind: 2, status: {}, ...times }];
  const body = { resourceSpans: [{ resource, scopeSpans: [{ spans }] }] };
  const status = await pod.post('otlp-http', '/v1/traces', body).catch(() => undefined);
  assert.equal(status, 200, 'it receives no spans over HTTP');
}

const editConfig = (from: string | RegExp, to: string) => editFile('tempo', 'tempo.yaml', from, to);

const keyChecks: readonly Check[] = [
  {
    name: 'Every key of the Tempo configuration exists, at every depth',
    async run(sandbox) {
      await sandbox.pod('tempo').run(['configkeys', 'tempo', FILE]);
    },
    broken: { edit: editConfig('block_retention', 'block_retentions'), error: /block_retentions: unknown key/ },
  },
];

const serverChecks: readonly Check[] = [
  {
    name: 'Tempo accepts its configuration',
    async run(sandbox) {
      await sandbox.pod('tempo').complete({ args: (args) => [...args, '-config.verify=true'] });
    },
    broken: { edit: editConfig('backend_worker:', 'compactor:'), error: /field compactor not found/ },
  },
  {
    name: 'Every Tempo probe succeeds, and spans are accepted over gRPC and HTTP and found by trace id (blocks on its disk)',
    async run(sandbox) {
      const pod = await startTempo(sandbox);
      await pod.waitFor('readiness', 5);
      await pod.waitFor('liveness', 5);
      assert.equal(await sendGrpc(pod, 'traces', Buffer.of()), 0, 'it receives no spans over gRPC');
      await send(pod);
      await eventually(async () => (await pod.fetch('tempo', `/api/traces/${TRACE}`)).status === 200, 30, 'the span is found');
    },
    // Without an address, the receiver listens on localhost only.
    broken: { edit: editConfig(/(http:\n +endpoint: )0\.0\.0\.0/, '$1localhost'), error: /no spans over HTTP/ },
  },
  {
    name: 'Tempo writes the metrics that it derives from spans to Prometheus (blocks on its disk)',
    async run(sandbox) {
      const written: string[] = [];
      const prometheus = createServer(({ method, url, headers }, response) => {
        written.push(`${method} ${url} ${headers['content-encoding']}`);
        response.writeHead(204).end();
      });
      prometheus.listen(sandbox.listenFor('prometheus', 'prometheus'));
      await send(await startTempo(sandbox));
      await eventually(() => written.includes('POST /api/v1/write snappy'), 60, 'Prometheus is written to');
    },
    // Both processors, because either of them derives metrics from the span.
    broken: { edit: editConfig(/- span-metrics\n +- service-graphs/, '- span-metric'), error: /Prometheus is written to/ },
  },
  {
    name: 'Tempo counts a span that ended four minutes ago (blocks on its disk)',
    async run(sandbox) {
      const pod = await startTempo(sandbox);
      await send(pod, 240);
      const discarded = sum(await pod.text('tempo', '/metrics'), 'tempo_metrics_generator_spans_discarded_total');
      assert.equal(discarded, 0, 'the span is not counted');
    },
    broken: {
      edit: editConfig(/metrics_ingestion_time_range_slack: \w+/, 'metrics_ingestion_time_range_slack: 30s'),
      error: /is not counted/,
    },
  },
  {
    name: 'Tempo searches traces over their whole retention (blocks on its disk)',
    async run(sandbox) {
      const pod = await startTempo(sandbox);
      const { backend_worker: worker } = parse(readFileSync(pod.file(FILE), 'utf8'));
      const end = Math.floor(Date.now() / 1000);
      const start = end - 3600 * Number.parseInt(worker.compaction.block_retention, 10);
      const response = await pod.fetch('tempo', `/api/search?${new URLSearchParams({ q: '{}', start: `${start}`, end: `${end}` })}`);
      assert.equal(response.status, 200, `it returned ${response.status}: ${await response.text()}`);
    },
    broken: { edit: editConfig(/max_duration: \d+h/, 'max_duration: 24h'), error: /exceeds 24h/ },
  },
];

export const tempoKeys: Suite = { name: 'tempo keys', programs: ['configkeys'], keysOnly: true, checks: keyChecks };

export const tempo: Suite = { name: 'tempo', programs: ['tempo'], checks: serverChecks };
