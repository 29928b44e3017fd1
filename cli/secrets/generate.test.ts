import { expect, test } from 'vitest';
import { generate, needed, readers } from './generate.ts';
import { dev, prod } from './testing.ts';

const names = (profile: typeof dev) => needed(profile).map(({ name }) => name);

test('a profile needs exactly the Secrets that its pods read', () => {
  expect(names(dev)).toEqual(['arangodb', 'redis', 'consul', 'grafana']);
  expect(names(prod)).toEqual(['arangodb', 'redis', 'redis-cache', 'consul', 'grafana', 'object-storage']);
});

test('a profile needs the keys that a container reads as a variable or a file', () => {
  const container = {
    env: [
      { name: 'A', valueFrom: { secretKeyRef: { name: 'consul', key: 'app-token' } } },
      { name: 'B', value: 'b' },
    ],
  };
  const volumes = [
    { name: 'secret', secret: { secretName: 'arangodb', items: [{ key: 'password' }] } },
    { name: 'tmp', emptyDir: {} },
  ];
  const workload = (kind: string, spec: object) => ({ apiVersion: 'v1', kind, metadata: { name: 'x' }, spec: { template: { spec } } });
  const objects = [
    workload('Job', { containers: [{}], volumes }),
    workload('Deployment', { containers: [container] }),
    { apiVersion: 'v1', kind: 'Service', metadata: { name: 'y' } },
  ];
  expect(needed({ objects }).map(({ name, keys }) => [name, Object.keys(keys)])).toEqual([
    ['arangodb', ['password']],
    ['consul', ['app-token']],
  ]);
  expect(readers(objects)).toEqual([
    { kind: 'Job', name: 'x', secret: 'arangodb', key: 'password', as: 'file' },
    { kind: 'Deployment', name: 'x', secret: 'consul', key: 'app-token', as: 'variable' },
  ]);
});

test('the list of Secrets and the manifests name the same keys', () => {
  const keys = needed(prod).map(({ name, keys }) => [name, Object.keys(keys).length]);
  expect(Object.fromEntries(keys)).toEqual({ arangodb: 3, redis: 1, 'redis-cache': 1, consul: 5, grafana: 2, 'object-storage': 2 });
});

test('passwords and keys have 256 bits, and no character that is special in a URL', () => {
  for (const format of ['password', 'key'] as const) {
    const all = Array.from({ length: 50 }, generate[format]);
    for (const value of all) expect(value).toMatch(/^[\w-]{43}$/);
    expect(new Set(all).size).toBe(50);
  }
});

test("Consul's gossip key is base64 of 32 bytes, and its tokens are UUIDs", () => {
  expect(Buffer.from(generate.gossip(), 'base64')).toHaveLength(32);
  expect(generate.gossip()).toMatch(/^[A-Za-z0-9+/]{43}=$/);
  expect(generate.uuid()).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
});
