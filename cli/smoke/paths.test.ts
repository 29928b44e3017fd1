import { expect, test } from 'vitest';
import { diagramOf } from '../../tools/docs/diagram.ts';
import { profileOf } from '../profile.ts';
import type { CheckResult } from './check-result.ts';
import { evaluate, type ProbeResult, pathsOf, type ServicePort } from './paths.ts';

const profile = profileOf('dev');
const paths = pathsOf(profile);
const { sources, ports, allowed } = paths;

/** The result of each probe pod, where `open` decides which paths are open. */
const results = (open: (source: string, port: ServicePort, allowed: boolean) => boolean): Map<string, ProbeResult> =>
  new Map(
    sources.map((source) => [source.name, ports.flatMap((port, index) => (open(source.name, port, allowed(source, port)) ? [index] : []))]),
  );
const asAllowed = results((_, __, allowed) => allowed);
const evaluated = (
  all: ReadonlyMap<string, ProbeResult>,
  { missing = [], foreign = [] }: { missing?: string[]; foreign?: string[] } = {},
) => evaluate(paths, all, { missing, foreign }, 1);
const texts = (checks: readonly CheckResult[]) => checks.map(({ state, detail }) => `${state}: ${detail}`);
const portsOf = (service: string) => ports.filter((port) => port.service === service).map(({ port }) => `${service} ${port}`);

test('the allowed paths are those of the diagram, of servers among themselves, and of the smoke test', () => {
  const found = sources.flatMap((source) =>
    ports.filter((port) => allowed(source, port)).map(({ service, name }) => `${source.name} ${service} ${name}`),
  );
  const componentOf = (service: string) =>
    profile.objects.find(({ kind, metadata }) => kind === 'Service' && metadata.name === service)?.spec.selector['app.kubernetes.io/name'];
  const shown = diagramOf(profile.objects).edges.flatMap((edge) =>
    ports
      .filter(({ service, name }) => componentOf(service) === edge.to && edge.ports.includes(name))
      .map(({ service, name }) => `${edge.from} ${service} ${name}`),
  );
  const others = found.filter((each) => !shown.includes(each));
  expect(found).toEqual(expect.arrayContaining(shown));
  expect(others.filter((each) => !each.startsWith('smoke '))).toEqual(['consul consul-members server', 'consul consul-members serf']);
  expect(others).toContain('smoke consul dns');
  expect(found.filter((each) => each.startsWith('nobody '))).toEqual([]);
});

test('policies select by the name alone, which probe pods carry', () => {
  for (const { kind, metadata, spec } of [...profile.objects, ...profile.smoke]) {
    if (kind !== 'NetworkPolicy') continue;
    expect(Object.keys(spec.podSelector.matchLabels ?? {}).join(), metadata.name).toMatch(/^(app\.kubernetes\.io\/name)?$/);
  }
});

test('all checks pass when exactly the allowed paths are open', () => {
  expect(texts(evaluated(asAllowed))).toEqual([
    expect.stringMatching(/^ok: \d+ paths$/),
    expect.stringMatching(/^ok: \d+ paths$/),
    `ok: ${ports.length} ports`,
  ]);
});

test('an open path, a closed path and a pod without a result are named', () => {
  const all = results((source, { service }, allowed) => (allowed && service !== 'loki') || (source === 'grafana' && service === 'redis'));
  all.set('tempo', 'it wrote no result');
  const [open, blocked, nobody] = texts(evaluated(all));
  expect(open).toMatch(/^failed: no connection: /);
  for (const port of portsOf('loki').slice(0, 1)) expect(open).toContain(`grafana → ${port}`);
  expect(nobody).toMatch(/^ok/);
  const expected = portsOf('redis').map((port) => `grafana → ${port}`);
  expect(blocked).toBe(`failed: open: ${expected.join(', ')}; no result from pod smoke-from-tempo: it wrote no result`);
  all.delete('nobody');
  expect(texts(evaluated(all))[2]).toBe('failed: no result from pod smoke-from-nobody: it did not end in time');
});

test('a cluster that does not enforce NetworkPolicies skips the refusals', () => {
  const [open, blocked, nobody] = evaluated(results(() => true));
  expect([open?.state, blocked?.state, nobody?.state]).toEqual(['ok', 'skipped', 'skipped']);
  expect(nobody?.detail).toMatch(/^this cluster does not enforce NetworkPolicies/);
});

test('a cluster whose policies differ from the manifests fails them', () => {
  const all = results(() => true);
  expect(texts(evaluated(all, { missing: ['default-deny'] }))[2]).toMatch(
    /^failed: not in the cluster: the NetworkPolicy default-deny; it reaches/,
  );
  expect(texts(evaluated(all, { foreign: ['allow-all'] }))[2]).toMatch(/not in the manifests: the NetworkPolicy allow-all$/);
  // Reaching only some ports is a gap in the policies, not a cluster without enforcement.
  expect(evaluated(results((_, { service }, allowed) => allowed || service === 'redis'))[2]?.state).toBe('failed');
});
