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

/** What came of applying an object, with what the server has before and after. */
async function applied(before: readonly Manifest[], after: Manifest, takeBack = false) {
  const calls: (readonly string[])[] = [];
  const kubectl = {
    objects: async (args: readonly string[]) => {
      calls.push(args);
      return args[0] === 'get' ? before : [after];
    },
  };
  const changes = await apply(kubectl as unknown as Kubectl, [object()], takeBack);
  return { did: changes.map(({ did }) => did), args: calls[1] ?? [] };
}

test('an object that was not there is created', async () => {
  expect((await applied([], object())).did).toEqual(['created']);
});

test('what the server and its controllers write down is no change', async () => {
  const before = object({ status: { replicas: 1 } }, { resourceVersion: '1', managedFields: [] });
  const annotations = { 'deployment.kubernetes.io/revision': '2' };
  expect((await applied([before], object({ status: {} }, { resourceVersion: '2', annotations }))).did).toEqual(['unchanged']);
});

test('another spec, label or annotation is', async () => {
  expect((await applied([object()], object({ spec: { replicas: 2 } }))).did).toEqual(['changed']);
  expect((await applied([object()], object({}, { labels: { x: 'z' } }))).did).toEqual(['changed']);
  expect((await applied([object()], object({}, { annotations: { a: 'b' } }))).did).toEqual(['changed']);
});

test('it is applied by the server, under one name, and takes fields back only when told to', async () => {
  const { args } = await applied([], object());
  expect(args).toEqual(['apply', '--server-side', '--field-manager=platform', '--filename=-']);
  expect((await applied([], object(), true)).args).toContain('--force-conflicts');
});

test('nothing is asked of the server for nothing', async () => {
  expect(await apply({} as unknown as Kubectl, [])).toEqual([]);
});
