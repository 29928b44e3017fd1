import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { parse } from 'yaml';
import { type Check, containersOf, replaceIn, type Service } from './check.ts';
import type { Sandbox } from './sandbox.ts';
import { up as tempoUp } from './tempo.ts';

/** Part of a data source, dashboard or provider as its file has it. */
type Value = string | number | boolean | null | readonly Value[] | { readonly [key: string]: Value };

/** The value of a variable of the environment; `''` is what Grafana takes for one that is not set. */
type Lookup = (name: string) => string;

/**
 * One text of a provisioning file as Grafana reads it: `$$` is a dollar. Between those, `${NAME}` and `$__env{NAME}` are variables of
 * the environment, and then, as Go's os.ExpandEnv has it, `$NAME` and `$1`. A dollar before anything else stays.
 */
export function expandText(text: string, lookup: Lookup): string {
  const settings = (part: string) =>
    part.replace(/\$(__\w+)?\{([^}]+)\}/g, (all, how: string | undefined, name: string) => {
      if (how === '__file' || how === '__vault') throw new Error(`"${text}": what ${how} would read is not known here`);
      return how === undefined || how === '__env' ? lookup(name) : all;
    });
  const environment = (part: string) =>
    part.replace(
      /\$(?:\{([^}]*)\}|(\{)|([*#@!?\-0-9]|[a-zA-Z_]\w*))/g,
      (_, braced: string | undefined, open: string | undefined, name: string) => (open || braced === '' ? '' : lookup(braced ?? name)),
    );
  return text
    .split('$$')
    .map((part) => environment(settings(part)))
    .join('$');
}

/** Every text among the values of a provisioning file; keys are left as they are. */
export function expand(value: Value, lookup: Lookup): Value {
  if (typeof value === 'string') return expandText(value, lookup);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((each) => expand(each, lookup));
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, expand(inner, lookup)]));
}

interface DataSource {
  readonly uid: string;
  readonly url: string;
  readonly jsonData: { readonly derivedFields?: readonly { readonly url: string }[]; readonly tracesToMetrics?: Queries };
}

interface Queries {
  readonly queries: readonly { readonly query: string }[];
}

/** A provisioning file of the container as Grafana reads it. Throws when it names a variable that the container has not. */
function provisioned(sandbox: Sandbox, configMap: string): { readonly [key: string]: Value } {
  const names = new Map(
    sandbox
      .pod('Deployment', 'grafana')
      .container()
      .env?.map(({ name, value }) => [name, value ?? '']),
  );
  const text: string = sandbox.object('ConfigMap', configMap).data['platform.yaml'];
  return expand(parse(text), (name) => {
    const value = names.get(name);
    assert.ok(value !== undefined, `${configMap} names the variable ${name}, which the container has not`);
    return value;
  }) as { readonly [key: string]: Value };
}

const dataSources = (sandbox: Sandbox) => provisioned(sandbox, 'grafana-datasources').datasources as unknown as readonly DataSource[];

/** The uid of every data source that something below leads to. */
function uids(value: Value): readonly Value[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    if (key === 'datasourceUid') return [inner];
    return key === 'datasource' ? [(inner as { uid: Value }).uid] : uids(inner);
  });
}

/** Settings that the list of `configkeys` lacks, as it was made from Grafana 9.5: each is in defaults.ini or setting_plugins.go of 13. */
const SINCE = [
  'GF_PLUGINS_DISABLE_PLUGINS',
  'GF_PLUGINS_PUBLIC_KEY_RETRIEVAL_DISABLED',
  'GF_SECRETS_MANAGER_ENCRYPTION_SECRET_KEY_V1_SECRET_KEY__FILE',
];

const keys: readonly Check[] = [
  {
    name: 'every GF_ variable is known',
    async run(sandbox) {
      const pod = sandbox.pod('Deployment', 'grafana');
      const names = pod.container().env?.map(({ name }) => name) ?? [];
      const stdin = names.filter((name) => name.startsWith('GF_') && !SINCE.includes(name)).join('\n');
      const { status, output } = await pod.exec(['configkeys', 'grafana', '-'], { stdin });
      assert.equal(status, 0, output);
    },
    broken: {
      by: (all) => {
        containersOf(all, 'grafana')[0].env[2].name = 'GF_USERS_ALLOW_SIGNUP';
      },
      says: /GF_USERS_ALLOW_SIGNUP: unknown/,
    },
  },
  {
    name: 'the provisioning files, read as Grafana reads them, name no variable by mistake and hold what is meant',
    async run(sandbox) {
      const services = sandbox.manifests.filter(({ kind }) => kind === 'Service');
      const ports = services.flatMap(({ metadata, spec }) =>
        spec.ports.map(({ port }: { port: number }) => `http://${metadata.name}:${port}`),
      );
      for (const { uid, url, jsonData } of dataSources(sandbox)) {
        assert.ok(ports.includes(url), `${uid}: no Service answers at "${url}"`);
        for (const field of jsonData.derivedFields ?? []) assert.equal(field.url, '${__value.raw}', `${uid}: a link that leads nowhere`);
        for (const { query } of jsonData.tracesToMetrics?.queries ?? []) assert.match(query, /\{\$__tags/, `${uid}: a query of no span`);
      }
      const { mountPath } =
        sandbox
          .pod('Deployment', 'grafana')
          .container()
          .volumeMounts?.find(({ name }) => name === 'grafana-dashboards') ?? {};
      const { providers } = provisioned(sandbox, 'grafana-providers');
      for (const { options } of providers as unknown as readonly { readonly options: { readonly path: string } }[]) {
        assert.equal(options.path, mountPath, 'dashboards are looked for where none are');
      }
    },
    broken: {
      by: (all) => replaceIn(all, 'grafana-datasources', 'platform.yaml', '$${__value.raw}', '${__value.raw}'),
      says: /names the variable __value.raw/,
    },
  },
  {
    name: 'every data source that a dashboard or another one leads to is provisioned',
    async run(sandbox) {
      const sources = dataSources(sandbox);
      const known = sources.map(({ uid }) => uid);
      const boards = Object.values<string>(sandbox.object('ConfigMap', 'grafana-dashboards').data).map((text) => JSON.parse(text));
      const used = uids([...boards, ...sources] as readonly Value[]);
      assert.ok(used.length > boards.length, 'the dashboards lead to no data source');
      for (const uid of used) assert.ok(known.includes(String(uid)), `the data source "${uid}" is not provisioned`);
    },
    broken: {
      by: (all) => replaceIn(all, 'grafana-datasources', 'platform.yaml', 'uid: prometheus', 'uid: metrics'),
      says: /"prometheus" is not provisioned/,
    },
  },
];

const server: readonly Check[] = [
  {
    name: 'every probe is answered, the Secret has its password, and its data sources and dashboards are there',
    async run(sandbox) {
      const pod = sandbox.pod('Deployment', 'grafana');
      pod.start();
      await pod.until('startup', 60);
      await pod.until('readiness', 5);
      await pod.until('liveness', 5);
      const get = (path: string, password: string) =>
        fetch(`${pod.url('grafana')}${path}`, {
          headers: { Authorization: `Basic ${Buffer.from(`admin:${password}`).toString('base64')}` },
        });
      assert.equal((await get('/api/datasources', 'admin')).status, 401, 'it takes the password that everybody knows');
      const password = sandbox.secret('grafana', 'admin-password');
      const sources = await (await get('/api/datasources', password)).json();
      const told = dataSources(sandbox).map(({ uid, url, jsonData }) => ({ uid, url, jsonData }));
      const pick = ({ uid, url, jsonData }: DataSource) => ({ uid, url, jsonData });
      const byUid = (one: DataSource, other: DataSource) => one.uid.localeCompare(other.uid);
      assert.deepEqual((sources as DataSource[]).map(pick).sort(byUid), told.sort(byUid), 'it reads its data sources otherwise');
      for (const text of Object.values<string>(sandbox.object('ConfigMap', 'grafana-dashboards').data)) {
        const { uid } = JSON.parse(text);
        assert.equal((await get(`/api/dashboards/uid/${uid}`, password)).status, 200, `it has no dashboard ${uid}`);
      }
    },
    broken: {
      by: (all) => {
        containersOf(all, 'grafana')[0].env.shift();
      },
      says: /password that everybody knows/,
    },
    within: 120,
  },
  {
    name: 'Tempo is healthy for it, which asks by a gRPC stream on the HTTP port (the blocks of Tempo on its disk)',
    async run(sandbox) {
      await tempoUp(sandbox);
      const pod = sandbox.pod('Deployment', 'grafana');
      pod.start();
      await pod.until('readiness', 60);
      const login = Buffer.from(`admin:${sandbox.secret('grafana', 'admin-password')}`).toString('base64');
      const answer = await fetch(`${pod.url('grafana')}/api/datasources/uid/tempo/health`, {
        headers: { Authorization: `Basic ${login}` },
      });
      const { status, message } = (await answer.json()) as { readonly status: string; readonly message: string };
      assert.equal(`${answer.status} ${status}`, '200 OK', `Tempo is not healthy: ${message}`);
    },
    broken: {
      by: (all) => replaceIn(all, 'tempo', 'tempo.yaml', 'stream_over_http_enabled: true', 'stream_over_http_enabled: false'),
      says: /Tempo is not healthy/,
    },
    within: 120,
  },
];

interface Dashboard {
  readonly panels: readonly { readonly datasource?: { readonly type: string }; readonly targets?: readonly { readonly expr: string }[] }[];
  readonly annotations: { readonly list: readonly { readonly expr: string }[] };
}

/** Every query to Prometheus, with values for Grafana's own variables. */
function queries(sandbox: Sandbox): readonly string[] {
  const boards = Object.values<string>(sandbox.object('ConfigMap', 'grafana-dashboards').data).map((text): Dashboard => JSON.parse(text));
  const targets = boards.flatMap(({ panels, annotations }) => [
    ...panels.filter(({ datasource }) => datasource?.type === 'prometheus').flatMap(({ targets = [] }) => targets),
    ...annotations.list,
  ]);
  const links = dataSources(sandbox).flatMap(({ jsonData }) => jsonData.tracesToMetrics?.queries ?? []);
  return [...targets.map(({ expr }) => expr), ...links.map(({ query }) => query)].map((query) =>
    query.replaceAll('$__rate_interval', '2m').replaceAll('$__tags', 'service="shop"'),
  );
}

/** Counters of failures that panels read. */
const FAILURES = ['celery_task_failed_total', 'tempo_discarded_spans_total', 'loki_discarded_samples_total'];

/** What promtool expects of each query about failures, if their counters have the given values every 30 s. */
function ofFailures(sandbox: Sandbox, values: string, ask: (query: string) => object): object {
  const asked = queries(sandbox).filter((query) => FAILURES.some((counter) => query.includes(counter)));
  assert.ok(asked.length >= FAILURES.length, 'there are no queries about failures');
  const labels = '{name="send",exception="ValueError",reason="limit"}';
  const input_series = FAILURES.map((counter) => ({ series: `${counter}${labels}`, values }));
  return { tests: [{ interval: '30s', input_series, promql_expr_test: asked.map(ask) }] };
}

/** Gives promtool a file. Throws the line of its answer that holds what is wrong. */
async function promtool(sandbox: Sandbox, command: 'check' | 'test', content: object): Promise<void> {
  const pod = sandbox.pod('Deployment', 'grafana');
  writeFileSync(pod.file('/tmp/queries.json'), JSON.stringify(content));
  const { status, output } = await pod.exec(['promtool', command, 'rules', '/tmp/queries.json']);
  assert.equal(status, 0, output.split('\n').find((line) => /expr:|parse/.test(line)) ?? output);
}

const questions: readonly Check[] = [
  {
    name: 'every query of a dashboard and of a data source is one that Prometheus can read',
    async run(sandbox) {
      const rules = queries(sandbox).map((expr, at) => ({ record: `query_${at}`, expr }));
      assert.ok(rules.length > 30, 'there are no queries');
      await promtool(sandbox, 'check', { groups: [{ name: 'queries', rules }] });
    },
    broken: {
      by: (all) => replaceIn(all, 'grafana-dashboards', 'platform.json', 'min by (job) (up)', 'min by (job (up)'),
      says: /parse error/,
    },
  },
  {
    name: 'a failure that its counter begins with is seen in every panel that counts failures',
    async run(sandbox) {
      const seen = (query: string) => ({ expr: `count((${query}) > 0)`, eval_time: '5m', exp_samples: [{ labels: '{}', value: 1 }] });
      // Absent for four and a half minutes, then 1.
      await promtool(sandbox, 'test', ofFailures(sandbox, '_x9 1x20', seen));
    },
    broken: {
      by: (all) => replaceIn(all, 'grafana-dashboards', 'platform.json', /\(tempo_discarded_spans_total unless [^)]*\)\) or /, ''),
      says: /expr: .*tempo_discarded_spans_total/,
    },
  },
  {
    name: 'a failure of over half an hour ago is not shown again after a lost scrape',
    async run(sandbox) {
      const silent = (query: string) => ({ expr: `count_over_time(((${query}) > 0)[25m:30s])`, eval_time: '60m', exp_samples: [] });
      // 1 from the start; the scrape of minute 40 is lost.
      await promtool(sandbox, 'test', ofFailures(sandbox, '1x79 stale 1x60', silent));
    },
    broken: {
      by: (all) =>
        replaceIn(
          all,
          'grafana-dashboards',
          'platform.json',
          /unless present_over_time\((tempo_discarded_spans_total)\[\$__rate_interval\] offset \$__rate_interval\)/,
          'unless $1 offset $__rate_interval',
        ),
      says: /expr: .*tempo_discarded_spans_total/,
    },
  },
];

export const grafana: Service = { name: 'grafana keys', programs: ['configkeys'], keysOnly: true, checks: keys };

export const grafanaServer: Service = { name: 'grafana', programs: ['grafana', 'tempo'], checks: server };

export const grafanaQueries: Service = { name: 'grafana queries', programs: ['promtool'], checks: questions };
