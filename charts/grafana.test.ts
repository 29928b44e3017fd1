import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { build } from '../build.ts';
import { webUis } from '../cli/web-uis.ts';
import { type Manifest, podOf } from '../lib/render.ts';
import { profiles } from '../settings/index.ts';
import { unusedPlugins } from './grafana/plugins.ts';

const all = build(profiles.dev).platform;

function named(kind: string, name: string): Manifest {
  const found = all.find((manifest) => manifest.kind === kind && manifest.metadata.name === name);
  if (!found) throw new Error(`there is no ${kind} ${name}`);
  return found;
}

const env = new Map(podOf(named('Deployment', 'grafana'))?.containers[0]?.env?.map(({ name, value }) => [name, value]));
const file = (configMap: string, key: string) => parse(named('ConfigMap', configMap).data[key]);

interface Source {
  readonly type: string;
  readonly isDefault: boolean;
  readonly jsonData: {
    readonly timeInterval?: string;
    readonly streamingEnabled?: object;
    readonly derivedFields?: readonly { readonly matcherRegex: string }[];
  };
}
const sources: readonly Source[] = file('grafana-datasources', 'platform.yaml').datasources;

test('all bundled plugins except those of the data sources are disabled', () => {
  const disabled = env.get('GF_PLUGINS_DISABLE_PLUGINS')?.split(',') ?? [];
  const types = sources.map(({ type }) => type);
  expect([...types, ...disabled].sort()).toEqual(unusedPlugins([]).sort());
});

test('neither of Grafana’s encryption keys is its public default', () => {
  const key = '/run/secrets/grafana/secret-key';
  expect(env.get('GF_SECURITY_SECRET_KEY__FILE')).toBe(key);
  expect(env.get('GF_SECRETS_MANAGER_ENCRYPTION_SECRET_KEY_V1_SECRET_KEY__FILE')).toBe(key);
});

test.each([
  ['GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES', 'false'],
  ['GF_ANALYTICS_CHECK_FOR_UPDATES', 'false'],
  ['GF_ANALYTICS_REPORTING_ENABLED', 'false'],
  ['GF_NEWS_NEWS_FEED_ENABLED', 'false'],
  ['GF_PLUGINS_PLUGIN_ADMIN_ENABLED', 'false'],
  ['GF_PLUGINS_PREINSTALL_DISABLED', 'true'],
  ['GF_PLUGINS_PUBLIC_KEY_RETRIEVAL_DISABLED', 'true'],
  ['GF_SECURITY_DISABLE_GRAVATAR', 'true'],
  ['GF_SNAPSHOTS_EXTERNAL_ENABLED', 'false'],
])('Grafana sends no requests outside the cluster: %s is %s', (name, value) => {
  expect(env.get(name)).toBe(value);
});

test('the SQLite database has a write-ahead log', () => {
  expect(env.get('GF_DATABASE_WAL')).toBe('true');
});

test('Grafana’s links start with the address of `npm run open`', () => {
  const path = webUis.find(({ name }) => name === 'grafana')?.path;
  expect(env.get('GF_SERVER_ROOT_URL')).toBe(`http://127.0.0.1:${named('Service', 'grafana').spec.ports[0].port}${path}`);
});

test('Prometheus is the default data source, with the scrape interval', () => {
  const [standard, ...more] = sources.filter(({ isDefault }) => isDefault);
  expect(more).toEqual([]);
  expect(standard?.type).toBe('prometheus');
  expect(standard?.jsonData.timeInterval).toBe(file('prometheus', 'prometheus.yaml').global.scrape_interval);
});

test('Tempo streams search results, but no metrics', () => {
  expect(sources.find(({ type }) => type === 'tempo')?.jsonData.streamingEnabled).toEqual({ search: true });
});

test('only the label trace_id links to a trace', () => {
  // $$ in the file is $ for Grafana.
  const pattern = new RegExp(
    `${sources.find(({ type }) => type === 'loki')?.jsonData.derivedFields?.[0]?.matcherRegex}`.replaceAll('$$', '$'),
  );
  expect(['trace_id', 'parent_trace_id', 'trace_id_source'].filter((label) => pattern.test(label))).toEqual(['trace_id']);
});

test('the dashboards have a folder of their own', () => {
  expect(file('grafana-providers', 'platform.yaml').providers).toMatchObject([{ folder: 'Platform' }]);
});
