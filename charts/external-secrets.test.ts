import { readFileSync } from 'node:fs';
import { App } from 'cdk8s';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { type Manifest, manifests } from '../lib/render.ts';
import { shared } from '../lib/testing.ts';
import { ExternalSecrets, type ExternalSecretsSettings } from './external-secrets.ts';
import { secrets } from './secrets.ts';

const sources: readonly ExternalSecretsSettings[] = [
  { from: 'store', store: { kind: 'SecretStore', name: 'store' }, prefix: 'platform/' },
  { from: 'generator' },
];
const rendered = (settings: ExternalSecretsSettings): readonly Manifest[] => {
  const app = new App();
  new ExternalSecrets(app, 'external-secrets', shared, { settings, secrets: Object.values(secrets).slice(0, 4) });
  return manifests(app).get('external-secrets.yaml') ?? [];
};

interface Schema {
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
}

/** `value` with the defaults of the schema, as the API server stores it. */
function defaulted(value: unknown, { properties, items }: Schema): unknown {
  if (Array.isArray(value)) return items ? value.map((item) => defaulted(item, items)) : value;
  if (typeof value !== 'object' || value === null || !properties) return value;
  const missing = Object.entries(properties).filter(([name, schema]) => schema.default !== undefined && !(name in value));
  const complete: Record<string, unknown> = { ...value, ...Object.fromEntries(missing.map(([name, schema]) => [name, schema.default])) };
  return Object.fromEntries(
    Object.entries(complete).map(([name, each]) => [name, properties[name] ? defaulted(each, properties[name]) : each]),
  );
}

const crd = parse(readFileSync(new URL('../crds/external-secrets.io_externalsecrets.yaml', import.meta.url), 'utf8'));
const { properties } = crd.spec.versions.find(({ name }: { name: string }) => name === 'v1').schema.openAPIV3Schema;

test.each(sources)('from a $from, atomic lists have the API server’s defaults, so that a second applier has no conflict', (settings) => {
  const specs = rendered(settings).flatMap(({ kind, spec }) => (kind === 'ExternalSecret' ? [spec] : []));
  expect(specs.length).toBeGreaterThan(0);
  for (const { data, dataFrom } of specs) {
    expect(data).toEqual(defaulted(data, properties.spec.properties.data));
    expect(dataFrom).toEqual(defaulted(dataFrom, properties.spec.properties.dataFrom));
  }
});

test.each(sources)('from a $from, pruning an ExternalSecret keeps its Secret', (settings) => {
  const policies = rendered(settings).flatMap(({ kind, spec }) => (kind === 'ExternalSecret' ? [spec.target.creationPolicy] : []));
  expect(new Set(policies)).toEqual(new Set(['Orphan']));
});
