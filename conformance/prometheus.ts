import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { parse } from 'yaml';
import { amountOf } from '../lib/quantity.ts';
import type { Check, Suite } from './check.ts';
import { editArgs, editFile, editProbe, find, servicePort, wrapInShell } from './manifests.ts';
import { assertServed, basicAuth, metricsUsed, sum } from './metrics.ts';
import { remoteWrite } from './otlp-messages.ts';
import type { Pod } from './pod.ts';
import { eventually } from './process.ts';
import type { Sandbox } from './sandbox.ts';

const CONFIG = '/etc/prometheus/prometheus.yaml';
const RULES = '/etc/prometheus/rules.yaml';
const MINUTE = 60_000;

async function startPrometheus(sandbox: Sandbox) {
  const pod = sandbox.pod('prometheus');
  return { pod, server: await pod.startUntil('startup', 20) };
}

/** The data of a response of its API. */
async function api<Data>(pod: Pod, path: string, params: Readonly<Record<string, string>> = {}): Promise<Data> {
  return JSON.parse(await pod.text('prometheus', `/api/v1/${path}?${new URLSearchParams(params)}`)).data;
}

/** The first series of a query. */
async function seriesAt(pod: Pod, query: string, time = Date.now()) {
  type Found = { result: { metric: Readonly<Record<string, string>>; value: readonly [number, string] }[] };
  const { result } = await api<Found>(pod, 'query', { query, time: `${time / 1000}` });
  return result[0] && { labels: result[0].metric, value: Number(result[0].value[1]) };
}

const valueAt = async (pod: Pod, query: string, time?: number) => (await seriesAt(pod, query, time))?.value;

/** Sends a sample of `calls` with an exemplar by remote write, as Tempo does, and returns the status. */
async function write(pod: Pod, value: number, time = Date.now()): Promise<number> {
  const response = await pod.fetch('prometheus', '/api/v1/write', {
    method: 'POST',
    headers: { 'content-encoding': 'snappy', 'content-type': 'application/x-protobuf', 'x-prometheus-remote-write-version': '0.1.0' },
    body: remoteWrite({ __name__: 'calls', service: 'shop' }, value, time, { traceID: `trace-of-${value}` }),
  });
  return response.status;
}

/** The trace ids in the exemplars of `calls`. */
async function exemplars(pod: Pod): Promise<readonly (string | undefined)[]> {
  const [start, end] = [`${(Date.now() - MINUTE) / 1000}`, `${(Date.now() + MINUTE) / 1000}`];
  type Found = { exemplars: { labels: Readonly<Record<string, string>> }[] }[];
  const found = await api<Found>(pod, 'query_exemplars', { query: 'calls', start, end });
  return found.flatMap(({ exemplars }) => exemplars.map(({ labels }) => labels.traceID));
}

const editConfig = (from: string | RegExp, to: string) => editFile('prometheus', 'prometheus.yaml', from, to);

const checks: readonly Check[] = [
  {
    name: 'promtool accepts the configuration, the files that it names, and the rules',
    async run(sandbox) {
      const pod = sandbox.pod('prometheus');
      await pod.run(['promtool', 'check', 'config', '--lint=all', '--lint-fatal', CONFIG]);
      await pod.run(['promtool', 'check', 'rules', '--lint=all', '--lint-fatal', RULES]);
    },
    broken: { edit: editConfig('metrics-token', 'token'), error: /run.secrets.consul.token/ },
  },
  {
    name: 'Prometheus starts with the generated configuration; every probe succeeds, and fails when the server is stopped or ended',
    async run(sandbox) {
      const { pod, server } = await startPrometheus(sandbox);
      const results = () => Promise.all((['startup', 'readiness', 'liveness'] as const).map((kind) => pod.probe(kind)));
      assert.deepEqual(await results(), [true, true, true]);
      await server.signal('SIGSTOP');
      const none = async () => (await results()).every((succeeded) => !succeeded);
      await eventually(none, 10, 'every probe fails while the server is stopped');
      await server.kill();
      assert.ok(await none(), 'a probe succeeds after the end of the server');
    },
    broken: { edit: editProbe('prometheus', 'startup', { httpGet: { path: '/ready', port: 'prometheus' } }), error: /startup probe/ },
  },
  {
    name: 'Prometheus deletes data after the configured retention, and before four fifths of its disk are used',
    async run(sandbox) {
      const { pod } = await startPrometheus(sandbox);
      const { time, size } = parse(readFileSync(pod.file(CONFIG), 'utf8')).storage.tsdb.retention;
      const page = await pod.text('prometheus', '/metrics');
      const bytes = sum(page, 'prometheus_tsdb_retention_limit_bytes');
      assert.equal(sum(page, 'prometheus_tsdb_retention_limit_seconds'), Number.parseInt(time, 10) * 3600);
      assert.equal(bytes, Number.parseInt(size, 10) * 2 ** 20);
      const [claim] = find(sandbox.manifests, 'StatefulSet', 'prometheus').spec.volumeClaimTemplates;
      assert.ok(bytes <= amountOf(claim.spec.resources.requests.storage) * 0.8, 'less than a fifth of the disk stays free');
    },
    broken: { edit: editConfig(/size: \d+MB/, 'size: 9999999MB'), error: /a fifth of the disk/ },
  },
  {
    name: 'Prometheus receives remote writes and keeps their exemplars',
    async run(sandbox) {
      const { pod } = await startPrometheus(sandbox);
      assert.equal(await write(pod, 42), 204, 'the remote write is rejected');
      assert.equal(await valueAt(pod, 'calls{service="shop"}'), 42);
      assert.deepEqual(await exemplars(pod), ['trace-of-42'], 'the exemplar is missing');
    },
    // The flags are necessary: without them, Prometheus rejects remote writes or drops exemplars.
    broken: [
      { edit: editArgs('prometheus', '--web.enable-remote-write-receiver', '--log.level=info'), error: /the remote write is rejected/ },
      { edit: editArgs('prometheus', '--enable-feature=exemplar-storage', '--log.level=info'), error: /the exemplar is missing/ },
    ],
  },
  {
    name: 'Prometheus receives OTLP and turns the promised resource attributes into labels',
    async run(sandbox) {
      const { pod } = await startPrometheus(sandbox);
      const attributes = ['service.name', 'service.instance.id', 'service.version', 'k8s.namespace.name', 'k8s.node.name', 'k8s.pod.name'];
      const resource = { attributes: attributes.map((key) => ({ key, value: { stringValue: `the ${key}` } })) };
      const dataPoints = [{ asDouble: 3, timeUnixNano: `${Date.now()}000000` }];
      const metrics = [{ name: 'basket.items', gauge: { dataPoints } }];
      const body = { resourceMetrics: [{ resource, scopeMetrics: [{ metrics }] }] };
      assert.equal(await pod.post('prometheus', '/api/v1/otlp/v1/metrics', body), 200);
      const series = await seriesAt(pod, 'basket_items');
      for (const key of attributes) {
        // The service and its instance get the label names of scrapes.
        const label = { 'service.name': 'job', 'service.instance.id': 'instance' }[key] ?? key.replaceAll('.', '_');
        assert.equal(series?.labels[label], `the ${key}`, `${key} is no label`);
      }
    },
    broken: { edit: editConfig(/- k8s.pod.name\n/, '\n'), error: /k8s.pod.name is no label/ },
  },
  {
    name: 'Prometheus accepts a sample that is half an hour older than the newest',
    async run(sandbox) {
      const { pod } = await startPrometheus(sandbox);
      const then = Date.now() - 30 * MINUTE;
      assert.equal(await write(pod, 2), 204);
      assert.equal(await write(pod, 1, then), 204, 'the older sample is rejected');
      assert.equal(await valueAt(pod, 'calls', then), 1);
      assert.equal(await valueAt(pod, 'calls'), 2);
    },
    broken: { edit: editConfig(/out_of_order_time_window: .*/, ''), error: /the older sample/ },
  },
  {
    name: 'Prometheus reloads its configuration on SIGHUP, and keeps the last one when the new one is invalid',
    async run(sandbox) {
      const { pod, server } = await startPrometheus(sandbox);
      const reload = async (interval: string) => {
        pod.edit(CONFIG, (text) => text.replace(/scrape_interval: \w+/, `scrape_interval: ${interval}`));
        await server.signal('SIGHUP');
      };
      const active = async () => (await api<{ yaml: string }>(pod, 'status/config')).yaml.includes('scrape_interval: 47s');
      await reload('47s');
      await eventually(active, 10, 'the changed configuration is active');
      await reload('often');
      await eventually(() => /Error reloading config/.test(server.output), 10, 'the invalid configuration is rejected');
      assert.ok(await active(), 'the last configuration is lost');
      assert.ok(await pod.probe('readiness'), 'not ready after an invalid configuration');
    },
    broken: { edit: wrapInShell('prometheus', 'prometheus'), error: /the changed configuration is active/ },
  },
  {
    name: 'Prometheus exits with 0 on SIGTERM within the grace period, and has its data after a restart and after SIGKILL',
    async run(sandbox) {
      const { pod, server } = await startPrometheus(sandbox);
      assert.equal(await write(pod, 7), 204);
      assert.equal(await pod.stop(server), 0);
      const second = await pod.startUntil('startup', 20);
      assert.equal(await valueAt(pod, 'calls'), 7, 'the data is lost after SIGTERM');
      assert.equal(await write(pod, 8), 204);
      await second.kill();
      await pod.startUntil('startup', 20);
      assert.equal(await valueAt(pod, 'calls'), 8, 'the data is lost after SIGKILL');
    },
    broken: { edit: wrapInShell('prometheus', 'prometheus'), error: /did not end within 5 s/ },
  },
  {
    name: 'Prometheus scrapes every target at the port and path of its Service, with the login that it requires (interval lowered to 1 s)',
    async run(sandbox) {
      const pod = sandbox.pod('prometheus');
      pod.edit(CONFIG, (text) => text.replace(/scrape_interval: \w+/, 'scrape_interval: 1s'));
      const requests = new Map<string, string>();
      const jobs: { static_configs?: [{ targets: string[] }] }[] = parse(readFileSync(pod.file(CONFIG), 'utf8')).scrape_configs;
      const targets = jobs.flatMap((job) => job.static_configs?.[0].targets ?? []);
      const itself = `prometheus:${servicePort(sandbox.manifests, 'prometheus', 'prometheus')}`;
      for (const target of targets.filter((each) => each !== itself)) {
        const [host = '', port] = target.split(':');
        createServer(({ url, headers }, response) => {
          requests.set(host, `${url} ${headers.authorization ?? 'without a login'}`);
          response.setHeader('content-type', 'text/plain; version=0.0.4').end('');
        }).listen(Number(port), sandbox.network.addHost(host));
      }
      await pod.startUntil('startup', 20);
      await eventually(async () => (await valueAt(pod, 'count(up == 1)')) === targets.length, 20, 'every target is up');
      const login = basicAuth('metrics', sandbox.secrets.get('arangodb', 'metrics-password'));
      const expected: Readonly<Record<string, string>> = {
        arangodb: `/_db/metrics/_admin/metrics/v2 ${login}`,
        consul: `/v1/agent/metrics?format=prometheus Bearer ${sandbox.secrets.get('consul', 'metrics-token')}`,
      };
      for (const [host, request] of requests) {
        assert.ok(request === (expected[host.split('-')[0] ?? ''] ?? '/metrics without a login'), `${host} receives another path or login`);
      }
    },
    broken: { edit: editConfig('username: metrics', 'username: root'), error: /arangodb receives another/ },
  },
  {
    name: 'Prometheus serves every metric of its own that the rules use',
    async run(sandbox) {
      const { pod } = await startPrometheus(sandbox);
      assertServed(metricsUsed(sandbox.manifests, 'prometheus'), await pod.text('prometheus', '/metrics'));
    },
    broken: {
      edit: editFile('prometheus', 'rules.yaml', 'prometheus_tsdb_wal_storage_size_bytes', 'prometheus_tsdb_wal_size_bytes'),
      error: /metrics are missing: .*prometheus_tsdb_wal_size_bytes/,
    },
  },
];

export const prometheus: Suite = { name: 'prometheus', programs: ['prometheus', 'promtool'], checks };
