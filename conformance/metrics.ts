import assert from 'node:assert/strict';
import type { Manifests } from './manifests.ts';

/** The metrics with a prefix that the rules of Prometheus and, if asked, the dashboards of Grafana use. */
export function metricsUsed(manifests: Manifests, prefix: string, { dashboards = false } = {}): readonly string[] {
  const users = dashboards ? /^(prometheus|grafana)/ : /^prometheus$/;
  const maps = manifests.filter(({ kind, metadata }) => kind === 'ConfigMap' && users.test(metadata.name));
  const files = maps.flatMap(({ data }) => Object.entries<string>(data)).filter(([file]) => file !== 'prometheus.yaml');
  const names = new Set(files.flatMap(([, text]) => text.match(new RegExp(`\\b${prefix}_\\w+`, 'g')) ?? []));
  assert.ok(names.size > 0, `no rule uses a metric of ${prefix}`);
  return [...names];
}

/** The metrics that a page in Prometheus' text format lacks. */
export const missing = (names: readonly string[], page: string) => names.filter((name) => !new RegExp(`^${name}[ {]`, 'm').test(page));

/** Throws unless the page has all of the metrics. */
export function assertServed(names: readonly string[], page: string): void {
  const lacking = missing(names, page);
  assert.equal(lacking.length, 0, `these metrics are missing: ${lacking.join(', ')}`);
}

/** The sum of a metric over its series on a page. */
export function sum(page: string, name: string): number {
  const series = page.matchAll(new RegExp(`^${name}(?:{[^}]*})? (\\S+)$`, 'gm'));
  return [...series].reduce((total, [, value]) => total + Number(value), 0);
}

/** The header of a login. */
export const basicAuth = (user: string, password: string) => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
