import { expect, test } from 'vitest';
import type { Manifest } from '../lib/render.ts';
import { behindShell, containersOf, replaceIn } from './check.ts';
import { services } from './services.ts';

const manifests = () =>
  [
    { kind: 'ConfigMap', metadata: { name: 'redis' }, data: { 'redis.conf': 'appendonly yes\n' } },
    { kind: 'StatefulSet', metadata: { name: 'redis' }, spec: { template: { spec: { containers: [{ name: 'redis' }] } } } },
  ] as unknown as Manifest[];

test('a file is broken where it holds what is named, and only there', () => {
  const all = manifests();
  replaceIn(all, 'redis', 'redis.conf', 'yes', 'no');
  expect(all[0]?.data['redis.conf']).toBe('appendonly no\n');
  expect(() => replaceIn(all, 'redis', 'redis.conf', 'yes', 'no')).toThrow('redis/redis.conf does not hold yes');
  expect(() => replaceIn(all, 'consul', 'consul.json', 'a', 'b')).toThrow('consul/consul.json does not hold a');
});

test('the containers of a workload are those of its pod', () => {
  expect(containersOf(manifests(), 'redis')).toEqual([{ name: 'redis' }]);
  expect(() => containersOf(manifests(), 'mysql')).toThrow('dist/ has no workload mysql');
});

test('no two checks of a service have the same name', () => {
  for (const { checks } of services) expect(new Set(checks.map(({ name }) => name)).size).toBe(checks.length);
});

test('a shell that stands in front of a program has its arguments still, and little time', () => {
  const all = manifests();
  behindShell('redis', 'redis-server')(all);
  expect(containersOf(all, 'redis')[0].command).toEqual(['sh', '-c', 'redis-server "$@"; true', 'sh']);
  expect(all[1]?.spec.template.spec.terminationGracePeriodSeconds).toBe(5);
});
