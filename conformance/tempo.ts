import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { parse, stringify } from 'yaml';
import { type Check, replaceIn, type Service } from './check.ts';
import { overGrpc } from './otlp.ts';
import type { Pod } from './pod.ts';
import { eventually } from './program.ts';
import type { Sandbox } from './sandbox.ts';

const FILE = '/etc/tempo/tempo.yaml';

/** Tempo with its blocks on its disk, since no bucket is at hand; not started. */
export function tempoPod(sandbox: Sandbox): Pod {
  const pod = sandbox.pod('Deployment', 'tempo');
  const config = parse(readFileSync(pod.file(FILE), 'utf8'));
  const { s3: _, ...trace } = config.storage.trace;
  config.storage.trace = { ...trace, backend: 'local', local: { path: '/var/tempo/blocks' } };
  writeFileSync(pod.file(FILE), stringify(config));
  return pod;
}

/** The same, ready. */
export async function up(sandbox: Sandbox): Promise<Pod> {
  const pod = tempoPod(sandbox);
  pod.start();
  await pod.until('startup', 60);
  return pod;
}

const TRACE = '5b8efff798038103d269b633813fc60c';

/** One span that ended some seconds ago, as OTLP has it in JSON. */
function span(ago: number): string {
  const now = BigInt(Date.now() - 1000 * ago) * 1_000_000n;
  const times = { startTimeUnixNano: `${now - 1_000_000n}`, endTimeUnixNano: `${now}` };
  const resource = { attributes: [{ key: 'service.name', value: { stringValue: 'shop' } }] };
  const spans = [{ traceId: TRACE, spanId: 'eee19b7ec3c1b174', name: 'buy', kind: 2, status: {}, ...times }];
  return JSON.stringify({ resourceSpans: [{ resource, scopeSpans: [{ spans }] }] });
}

async function send(pod: Pod, ago = 0): Promise<void> {
  const request = { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: span(ago) };
  const answer = await fetch(`${pod.url('otlp-http')}/v1/traces`, request).catch(() => undefined);
  assert.equal(answer?.status, 200, 'it takes no spans over HTTP');
}

const keys: readonly Check[] = [
  {
    name: 'every key of its configuration is known, at every depth',
    async run(sandbox) {
      const { status, output } = await sandbox.pod('Deployment', 'tempo').exec(['configkeys', 'tempo', FILE]);
      assert.equal(status, 0, output);
    },
    broken: {
      by: (all) => replaceIn(all, 'tempo', 'tempo.yaml', 'block_retention', 'block_retentions'),
      says: /block_retentions: unknown key/,
    },
  },
];

const server: readonly Check[] = [
  {
    name: 'finds nothing wrong with its configuration',
    async run(sandbox) {
      const program = sandbox.pod('Deployment', 'tempo').start(undefined, { args: (args) => [...args, '-config.verify=true'] });
      const status = await program.ended;
      assert.equal(status, 0, program.output.trim().split('\n').at(-1));
    },
    broken: { by: (all) => replaceIn(all, 'tempo', 'tempo.yaml', 'backend_worker:', 'compactor:'), says: /field compactor not found/ },
  },
  {
    name: 'every probe is answered, and a span is taken in over gRPC and HTTP and found (its blocks on its disk)',
    async run(sandbox) {
      const pod = await up(sandbox);
      await pod.until('readiness', 5);
      await pod.until('liveness', 5);
      assert.equal(await overGrpc(pod, 'traces', Buffer.of()), 0, 'it takes no spans over gRPC');
      await send(pod);
      await eventually(async () => (await fetch(`${pod.url('tempo')}/api/traces/${TRACE}`)).status === 200, 30, 'the span is found');
    },
    // Without an address it listens on localhost only.
    broken: { by: (all) => replaceIn(all, 'tempo', 'tempo.yaml', '0.0.0.0:4318', 'localhost:4318'), says: /no spans over HTTP/ },
    within: 120,
  },
  {
    name: 'writes what it makes of spans to Prometheus (its blocks on its disk)',
    async run(sandbox) {
      const written: string[] = [];
      const prometheus = createServer((request, answer) => {
        written.push(`${request.method} ${request.url} ${request.headers['content-encoding']}`);
        answer.writeHead(204).end();
      });
      prometheus.listen(9090, sandbox.address('prometheus'));
      await send(await up(sandbox));
      await eventually(() => written.includes('POST /api/v1/write snappy'), 60, 'Prometheus is written to');
    },
    // Without a name that it knows: either of the two processors makes something of a server's span.
    broken: {
      by: (all) => replaceIn(all, 'tempo', 'tempo.yaml', /- span-metrics\n +- service-graphs/, '- span-metric'),
      says: /Prometheus is written to/,
    },
    within: 150,
  },
  {
    name: 'a span that ended four minutes ago is counted (its blocks on its disk)',
    async run(sandbox) {
      const pod = await up(sandbox);
      await send(pod, 240);
      const uncounted = /^tempo_metrics_generator_spans_discarded_total\{[^}]*\} [1-9]/m.test(
        await (await fetch(`${pod.url('tempo')}/metrics`)).text(),
      );
      assert.equal(uncounted, false, 'the span is not counted');
    },
    broken: {
      by: (all) =>
        replaceIn(all, 'tempo', 'tempo.yaml', 'metrics_ingestion_time_range_slack: 5m', 'metrics_ingestion_time_range_slack: 30s'),
      says: /is not counted/,
    },
    within: 120,
  },
  {
    name: 'traces are searched over the whole of their retention (its blocks on its disk)',
    async run(sandbox) {
      const pod = await up(sandbox);
      const { backend_worker: worker } = parse(readFileSync(pod.file(FILE), 'utf8'));
      const end = Math.floor(Date.now() / 1000);
      const query = new URLSearchParams({
        q: '{}',
        start: `${end - 3600 * Number.parseInt(worker.compaction.block_retention, 10)}`,
        end: `${end}`,
      });
      const answer = await fetch(`${pod.url('tempo')}/api/search?${query}`);
      assert.equal(answer.status, 200, `it answered ${answer.status}: ${await answer.text()}`);
    },
    broken: { by: (all) => replaceIn(all, 'tempo', 'tempo.yaml', /max_duration: \d+h/, 'max_duration: 24h'), says: /exceeds 24h/ },
    within: 120,
  },
];

export const tempo: Service = { name: 'tempo keys', programs: ['configkeys'], keysOnly: true, checks: keys };

export const tempoServer: Service = { name: 'tempo', programs: ['tempo'], checks: server };
