import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { parse } from 'yaml';
import { amountOf } from '../lib/quantity.ts';
import type { Manifest } from '../lib/render.ts';
import { behindShell, type Check, containersOf, replaceIn, type Service } from './check.ts';
import type { Pod, PodOverrides } from './pod.ts';
import { eventually } from './program.ts';
import { remoteWrite } from './protobuf.ts';
import type { Sandbox } from './sandbox.ts';

const CONFIG = '/etc/prometheus/prometheus.yaml';
const RULES = '/etc/prometheus/rules.yaml';
const MINUTE = 60_000;

/** The server, up and ready. */
async function up(sandbox: Sandbox, overrides: PodOverrides = {}) {
  const pod = sandbox.pod('StatefulSet', 'prometheus');
  return { pod, server: await start(pod, overrides) };
}

async function start(pod: Pod, overrides: PodOverrides = {}) {
  const server = pod.start('prometheus', overrides);
  await pod.until('startup', 20);
  return server;
}

/** What its API says. */
async function ask<Data>(pod: Pod, path: string, params: Readonly<Record<string, string>> = {}): Promise<Data> {
  const answer = await fetch(`${pod.url('prometheus')}/api/v1/${path}?${new URLSearchParams(params)}`);
  return ((await answer.json()) as { data: Data }).data;
}

/** The one series of the query at that time, if any: its labels and its value. */
async function seriesOf(pod: Pod, query: string, time = Date.now()) {
  type Found = { result: { metric: Readonly<Record<string, string>>; value: readonly [number, string] }[] };
  const { result } = await ask<Found>(pod, 'query', { query, time: `${time / 1000}` });
  return result[0] && { labels: result[0].metric, value: Number(result[0].value[1]) };
}

const valueAt = async (pod: Pod, query: string, time?: number) => (await seriesOf(pod, query, time))?.value;

async function metricsOf(pod: Pod): Promise<string> {
  return (await fetch(`${pod.url('prometheus')}/metrics`)).text();
}

/** What Tempo does with the metrics that it makes of spans: a sample of `calls`, and the trace that it stands for. */
async function write(pod: Pod, value: number, time = Date.now()): Promise<number> {
  const answer = await fetch(`${pod.url('prometheus')}/api/v1/write`, {
    method: 'POST',
    headers: { 'content-encoding': 'snappy', 'content-type': 'application/x-protobuf', 'x-prometheus-remote-write-version': '0.1.0' },
    body: remoteWrite({ __name__: 'calls', service: 'shop' }, value, time, { traceID: `trace-of-${value}` }),
  });
  return answer.status;
}

/** The traces that the exemplars of `calls` name. */
async function tracesOf(pod: Pod): Promise<readonly (string | undefined)[]> {
  const [start, end] = [Date.now() - MINUTE, Date.now() + MINUTE].map((time) => `${time / 1000}`) as [string, string];
  type Found = { exemplars: { labels: Readonly<Record<string, string>> }[] }[];
  const found = await ask<Found>(pod, 'query_exemplars', { query: 'calls', start, end });
  return found.flatMap(({ exemplars }) => exemplars.map(({ labels }) => labels.traceID));
}

const without = (flag: string) => (args: readonly string[]) => args.filter((each) => each !== flag);

const misconfigured = (from: string | RegExp, to: string) => (manifests: readonly Manifest[]) =>
  replaceIn(manifests, 'prometheus', 'prometheus.yaml', from, to);

const checks: readonly Check[] = [
  {
    name: 'promtool takes the configuration, the files that it names, and the rules',
    async run(sandbox) {
      const pod = sandbox.pod('StatefulSet', 'prometheus');
      for (const command of [
        ['check', 'config', '--lint=all', '--lint-fatal', CONFIG],
        ['check', 'rules', '--lint=all', '--lint-fatal', RULES],
      ]) {
        const { status, output } = await pod.exec(['promtool', ...command]);
        assert.equal(status, 0, output.trim().split('\n').at(-1));
      }
    },
    broken: { by: misconfigured('metrics-token', 'token'), says: /run.secrets.consul.token/ },
  },
  {
    name: 'boots from the generated configuration, and every probe is answered; none when it is stopped or gone',
    async run(sandbox) {
      const { pod, server } = await up(sandbox);
      const probes = ['startup', 'readiness', 'liveness'] as const;
      const answers = () => Promise.all(probes.map((kind) => pod.probe(kind)));
      assert.deepEqual(await answers(), [true, true, true]);
      await server.signal('SIGSTOP');
      const none = async () => (await answers()).every((answered) => !answered);
      await eventually(none, 10, 'no probe is answered while it is stopped');
      await server.kill();
      assert.ok(await none(), 'a probe is answered while it is gone');
    },
    broken: {
      by: (all) => {
        containersOf(all, 'prometheus')[0].startupProbe.httpGet.path = '/ready';
      },
      says: /startup probe/,
    },
  },
  {
    name: 'forgets after the time of the manifests, and before its disk is full',
    async run(sandbox) {
      const { pod } = await up(sandbox);
      const { time, size } = parse(readFileSync(pod.file(CONFIG), 'utf8')).storage.tsdb.retention;
      const metrics = await metricsOf(pod);
      const limit = (unit: string) => Number(new RegExp(`^prometheus_tsdb_retention_limit_${unit} (.*)$`, 'm').exec(metrics)?.[1]);
      assert.equal(limit('seconds'), Number.parseInt(time, 10) * 3600);
      assert.equal(limit('bytes'), Number.parseInt(size, 10) * 2 ** 20);
      const [claim] = sandbox.object('StatefulSet', 'prometheus').spec.volumeClaimTemplates;
      const disk = amountOf(claim.spec.resources.requests.storage);
      assert.ok(limit('bytes') <= disk * 0.8, 'a fifth of the disk is not left');
    },
    broken: { by: misconfigured(/size: \d+MB/, 'size: 9999999MB'), says: /a fifth of the disk/ },
  },
  {
    name: 'takes a remote write, and keeps its exemplar',
    async run(sandbox) {
      const { pod } = await up(sandbox);
      assert.equal(await write(pod, 42), 204);
      assert.equal(await valueAt(pod, 'calls{service="shop"}'), 42);
      assert.deepEqual(await tracesOf(pod), ['trace-of-42'], 'the exemplar is not there');
    },
    broken: {
      by: (all) => {
        const [container] = containersOf(all, 'prometheus');
        container.args = without('--enable-feature=exemplar-storage')(container.args);
      },
      says: /exemplar/,
    },
  },
  {
    name: 'refuses a remote write without its flag, and forgets exemplars without theirs',
    async run(sandbox) {
      const { pod, server } = await up(sandbox, { args: without('--web.enable-remote-write-receiver') });
      assert.equal(await write(pod, 1), 404);
      await server.stop(20);
      await start(pod, { args: without('--enable-feature=exemplar-storage') });
      assert.equal(await write(pod, 2), 204);
      assert.equal(await valueAt(pod, 'calls'), 2);
      assert.deepEqual(await tracesOf(pod), []);
    },
  },
  {
    name: 'takes OTLP, and what it promises of the resource becomes labels',
    async run(sandbox) {
      const { pod } = await up(sandbox);
      const attributes = ['service.name', 'service.instance.id', 'service.version', 'k8s.namespace.name', 'k8s.node.name', 'k8s.pod.name'];
      const dataPoints = [{ asDouble: 3, timeUnixNano: `${Date.now()}000000` }];
      const answer = await fetch(`${pod.url('prometheus')}/api/v1/otlp/v1/metrics`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          resourceMetrics: [
            {
              resource: { attributes: attributes.map((key) => ({ key, value: { stringValue: `the ${key}` } })) },
              scopeMetrics: [{ metrics: [{ name: 'basket.items', gauge: { dataPoints } }] }],
            },
          ],
        }),
      });
      assert.equal(answer.status, 200);
      const series = await seriesOf(pod, 'basket_items');
      for (const key of attributes) {
        // Who sent it goes by the names that scrapes give.
        const label = { 'service.name': 'job', 'service.instance.id': 'instance' }[key] ?? key.replaceAll('.', '_');
        assert.equal(series?.labels[label], `the ${key}`, `${key} is no label`);
      }
    },
    broken: { by: misconfigured(/- k8s.pod.name\n/, '\n'), says: /k8s.pod.name is no label/ },
  },
  {
    name: 'takes a sample of half an hour ago after a newer one',
    async run(sandbox) {
      const { pod } = await up(sandbox);
      const then = Date.now() - 30 * MINUTE;
      assert.equal(await write(pod, 2), 204);
      assert.equal(await write(pod, 1, then), 204, 'the older sample is refused');
      assert.equal(await valueAt(pod, 'calls', then), 1);
      assert.equal(await valueAt(pod, 'calls'), 2);
    },
    broken: { by: misconfigured(/out_of_order_time_window: .*/, ''), says: /the older sample/ },
  },
  {
    name: 'reads a changed configuration on SIGHUP, and keeps to the last one when the new is wrong',
    async run(sandbox) {
      const { pod, server } = await up(sandbox);
      const text = readFileSync(pod.file(CONFIG), 'utf8');
      const reads = async (line: string) => (await ask<{ yaml: string }>(pod, 'status/config')).yaml.includes(line);
      const reload = async (from: string, to: string) => {
        writeFileSync(pod.file(CONFIG), text.replace(from, to));
        await server.signal('SIGHUP');
      };
      await reload('scrape_interval: 30s', 'scrape_interval: 45s');
      await eventually(() => reads('scrape_interval: 45s'), 10, 'the changed configuration is read');
      await reload('scrape_interval: 30s', 'scrape_interval: often');
      await eventually(() => /Error reloading config/.test(server.output), 10, 'the wrong configuration is refused');
      assert.ok(await reads('scrape_interval: 45s'), 'the last configuration is gone');
      assert.ok(await pod.probe('readiness'), 'not ready after a wrong configuration');
    },
    broken: { by: behindShell('prometheus', 'prometheus'), says: /the changed configuration is read/ },
  },
  {
    name: 'SIGTERM ends with 0 within the grace period; the data is there again, and after SIGKILL too',
    async run(sandbox) {
      const { pod, server } = await up(sandbox);
      assert.equal(await write(pod, 7), 204);
      const { terminationGracePeriodSeconds } = sandbox.object('StatefulSet', 'prometheus').spec.template.spec;
      assert.equal(await server.stop(terminationGracePeriodSeconds), 0);
      const second = await start(pod);
      assert.equal(await valueAt(pod, 'calls'), 7, 'gone after SIGTERM');
      assert.equal(await write(pod, 8), 204);
      await second.kill();
      await start(pod);
      assert.equal(await valueAt(pod, 'calls'), 8, 'gone after SIGKILL');
    },
    broken: { by: behindShell('prometheus', 'prometheus'), says: /did not end within 5 s/ },
  },
  {
    name: 'scrapes every target where the manifests say, with the login that it asks for (made to scrape every second)',
    async run(sandbox) {
      const pod = sandbox.pod('StatefulSet', 'prometheus');
      const text = readFileSync(pod.file(CONFIG), 'utf8').replace(/scrape_interval: \w+/, 'scrape_interval: 1s');
      writeFileSync(pod.file(CONFIG), text);
      const seen = new Map<string, string>();
      const jobs: { static_configs?: [{ targets: string[] }] }[] = parse(text).scrape_configs;
      const targets = jobs.flatMap((job) => job.static_configs?.[0].targets ?? []);
      for (const target of targets.filter((each) => each !== 'prometheus:9090')) {
        const [host = '', port] = target.split(':');
        createServer(({ url, headers }, response) => {
          seen.set(target, `${url} ${headers.authorization ?? 'without a login'}`);
          response.setHeader('content-type', 'text/plain; version=0.0.4').end('');
        }).listen(Number(port), sandbox.address(host));
      }
      await start(pod);
      await eventually(async () => (await valueAt(pod, 'count(up == 1)')) === targets.length, 20, 'every target is up');
      const basic = Buffer.from(`metrics:${sandbox.secret('arangodb', 'metrics-password')}`).toString('base64');
      const token = sandbox.secret('consul', 'metrics-token');
      const expected = (target: string) => {
        if (target.startsWith('arangodb')) return `/_db/metrics/_admin/metrics/v2 Basic ${basic}`;
        if (target.startsWith('consul')) return `/v1/agent/metrics?format=prometheus Bearer ${token}`;
        return '/metrics without a login';
      };
      for (const [target, request] of seen) assert.ok(request === expected(target), `${target} is not asked as it wants to be`);
    },
    broken: { by: misconfigured('username: metrics', 'username: root'), says: /arangodb:8529 is not/ },
  },
  {
    name: 'has every metric of its own that the rules read',
    async run(sandbox) {
      const { pod } = await up(sandbox);
      const names = new Set(readFileSync(pod.file(RULES), 'utf8').match(/\bprometheus_\w+/g));
      const metrics = await metricsOf(pod);
      assert.ok(names.size > 3, 'the rules read none');
      for (const name of names) assert.match(metrics, new RegExp(`^${name}[ {]`, 'm'), `${name} is not there`);
    },
    broken: {
      by: (all) => replaceIn(all, 'prometheus', 'rules.yaml', 'prometheus_tsdb_wal_storage_size_bytes', 'prometheus_tsdb_wal_size_bytes'),
      says: /prometheus_tsdb_wal_size_bytes is not there/,
    },
  },
];

/** The store of metrics, and the judge of alerts. */
export const prometheus: Service = { name: 'prometheus', programs: ['prometheus', 'promtool'], checks };
