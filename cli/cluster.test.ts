import { expect, test } from 'vitest';
import type { Manifest } from '../lib/render.ts';
import { apply } from './cluster.ts';
import type { Kubectl } from './kubectl.ts';

const object = (change: object = {}, metadata: object = {}) =>
  ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'a', labels: { x: 'y' }, ...metadata },
    spec: { replicas: 1 },
    ...change,
  }) as unknown as Manifest;

/** The outcome and the arguments of applying an object that the server has as `before`, and then as `after`. */
async function applied(before: readonly Manifest[], after: Manifest, force = false) {
  const calls: (readonly string[])[] = [];
  const kubectl = {
    objects: async (args: readonly string[]) => {
      calls.push(args);
      return args[0] === 'get' ? before : [after];
    },
  };
  const changes = await apply(kubectl as unknown as Kubectl, [object()], force);
  return { outcomes: changes.map(({ outcome }) => outcome), args: calls[1] ?? [] };
}

test('a new object is created', async () => {
  expect((await applied([], object())).outcomes).toEqual(['created']);
});

test('fields that the server and its controllers write are no change', async () => {
  const before = object({ status: { replicas: 1 } }, { resourceVersion: '1', managedFields: [] });
  const annotations = { 'deployment.kubernetes.io/revision': '2' };
  expect((await applied([before], object({ status: {} }, { resourceVersion: '2', annotations }))).outcomes).toEqual(['unchanged']);
});

test('another spec, label or annotation is a change', async () => {
  expect((await applied([object()], object({ spec: { replicas: 2 } }))).outcomes).toEqual(['changed']);
  expect((await applied([object()], object({}, { labels: { x: 'z' } }))).outcomes).toEqual(['changed']);
  expect((await applied([object()], object({}, { annotations: { a: 'b' } }))).outcomes).toEqual(['changed']);
});

test('it is applied server-side by one field manager, and overwrites the fields of others only with force', async () => {
  const { args } = await applied([], object());
  expect(args).toEqual(['apply', '--server-side', '--field-manager=platform', '--filename=-']);
  expect((await applied([], object(), true)).args).toContain('--force-conflicts');
});

test('without objects there is no request', async () => {
  expect(await apply({} as unknown as Kubectl, [])).toEqual([]);
});
