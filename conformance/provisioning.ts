import { parse } from 'yaml';
import { find } from './manifests.ts';
import type { Sandbox } from './sandbox.ts';

/** The part of a data source that the checks use. */
export interface DataSource {
  readonly uid: string;
  readonly url: string;
  readonly jsonData: { readonly tracesToMetrics?: { readonly queries: readonly { readonly query: string }[] } };
}

/** The part of a dashboard that the checks use. */
interface Dashboard {
  readonly uid: string;
  readonly panels: readonly { readonly datasource?: { readonly type: string }; readonly targets?: readonly { readonly expr: string }[] }[];
  readonly annotations: { readonly list: readonly { readonly expr: string }[] };
}

/** The data sources as Grafana reads them: a doubled dollar is a dollar. */
export const dataSources = (sandbox: Sandbox): readonly DataSource[] =>
  parse(sandbox.file('grafana-datasources', 'platform.yaml').replaceAll('$$', () => '$')).datasources;

export const dashboards = (sandbox: Sandbox): readonly Dashboard[] =>
  Object.values<string>(find(sandbox.manifests, 'ConfigMap', 'grafana-dashboards').data).map((text) => JSON.parse(text));
