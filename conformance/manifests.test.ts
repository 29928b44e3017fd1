import { expect, test } from 'vitest';
import type { Manifest } from '../lib/render.ts';
import { container, editArgs, editFile, editProbe, fileOf, find, removeEnv, servicePort, withoutSignals, workload } from './manifests.ts';
import { suites } from './suites.ts';

const manifests = () =>
  [
    { kind: 'ConfigMap', metadata: { name: 'redis' }, data: { 'redis.conf': 'appendonly yes\n' } },
    { kind: 'Service', metadata: { name: 'redis' }, spec: { ports: [{ name: 'redis', port: 1234 }] } },
    { kind: 'Job', metadata: { name: 'setup-0123abcd' }, spec: { template: { spec: { containers: [{ name: 'setup' }] } } } },
    {
      kind: 'StatefulSet',
      metadata: { name: 'redis' },
      spec: {
        template: {
          spec: {
            terminationGracePeriodSeconds: 60,
            containers: [
              { name: 'redis', args: ['--save', 'no'], livenessProbe: { exec: { command: ['ping'] }, periodSeconds: 5 } },
              { name: 'exporter', env: [{ name: 'PASSWORD', value: 'x' }] },
            ],
          },
        },
      },
    },
  ] as unknown as Manifest[];

test('objects, containers, ports and files are found by name', () => {
  const all = manifests();
  expect(find(all, 'Service', 'redis').kind).toBe('Service');
  expect(workload(all, 'setup').metadata.name).toBe('setup-0123abcd');
  expect(container(all, 'redis').name).toBe('redis');
  expect(container(all, 'redis', 'exporter').name).toBe('exporter');
  expect(servicePort(all, 'redis', 'redis')).toBe(1234);
  expect(fileOf(all, 'redis', 'redis.conf')).toBe('appendonly yes\n');
});

test('a missing object, container, port or file is named', () => {
  const all = manifests();
  expect(() => find(all, 'Service', 'mysql')).toThrow('the manifests have no Service mysql');
  expect(() => workload(all, 'mysql')).toThrow('the manifests have no workload mysql');
  expect(() => container(all, 'redis', 'proxy')).toThrow('redis has no container proxy');
  expect(() => servicePort(all, 'redis', 'metrics')).toThrow('the Service redis has no port metrics');
  expect(() => fileOf(all, 'redis', 'users.acl')).toThrow('the ConfigMap redis has no file users.acl');
});

test('an edit changes what it names', () => {
  const all = manifests();
  editFile('redis', 'redis.conf', 'yes', 'no')(all);
  editArgs('redis', 'no', '60')(all);
  removeEnv('redis', 'PASSWORD', 'exporter')(all);
  expect(fileOf(all, 'redis', 'redis.conf')).toBe('appendonly no\n');
  expect(container(all, 'redis').args).toEqual(['--save', '60']);
  expect(container(all, 'redis', 'exporter').env).toEqual([]);
});

test('a new handler of a probe replaces the old one and keeps the times', () => {
  const all = manifests();
  editProbe('redis', 'liveness', { periodSeconds: 7 })(all);
  expect(container(all, 'redis').livenessProbe).toEqual({ exec: { command: ['ping'] }, periodSeconds: 7 });
  editProbe('redis', 'liveness', { tcpSocket: { port: 'redis' } })(all);
  expect(container(all, 'redis').livenessProbe).toEqual({ tcpSocket: { port: 'redis' }, periodSeconds: 7 });
});

test('a workload without signals has a new command and a short grace period', () => {
  const all = manifests();
  withoutSignals('redis', () => ['sh'])(all);
  expect(workload(all, 'redis').spec.template.spec).toMatchObject({
    terminationGracePeriodSeconds: 5,
    containers: [{ command: ['sh'] }, {}],
  });
});

test('an edit that changes nothing is an error', () => {
  expect(() => editFile('redis', 'redis.conf', 'always', 'no')(manifests())).toThrow('redis/redis.conf does not contain always');
  expect(() => editArgs('redis', 'always', 'no')(manifests())).toThrow('the edit does not change the container redis of redis');
});

test('no two checks of a service have the same name', () => {
  for (const { checks } of suites) expect(new Set(checks.map(({ name }) => name)).size).toBe(checks.length);
});
