import { expect, test } from 'vitest';
import { tagOf } from '../lib/image.ts';
import type { Manifest } from '../lib/render.ts';
import { profileOf } from './profile.ts';
import { row } from './status.ts';

const dev = profileOf('dev');
const workload = dev.objects.find(({ kind, metadata }) => kind === 'StatefulSet' && metadata.name === 'redis') as Manifest;
const there = {
  ...workload,
  metadata: { ...workload.metadata, uid: 's', generation: 1 },
  status: { observedGeneration: 1, replicas: 1, readyReplicas: 1, currentRevision: 'a', updateRevision: 'a' },
};
const claim = { kind: 'PersistentVolumeClaim', metadata: { name: 'data-redis-0' }, spec: { resources: { requests: { storage: '1Gi' } } } };
const pod = (status: object) => ({
  kind: 'Pod',
  metadata: { name: 'redis-0', uid: 'p', labels: workload.spec.selector.matchLabels },
  spec: workload.spec.template.spec,
  status,
});
const warning = {
  kind: 'Event',
  metadata: { name: 'e' },
  type: 'Warning',
  reason: 'Unhealthy',
  message: 'Readiness probe failed: x\ny',
  involvedObject: { uid: 'p' },
};

function redis({ used = new Map(), health = { healthy: true, message: '7 clients' }, more = [] as object[], change = {} } = {}) {
  const objects = [{ ...there, ...change }, claim, ...more] as unknown as Manifest[];
  return row(workload, { objects }, used, new Map([['redis', health]]), dev);
}

test('a healthy workload is shown with its health check, its tag and its disk', () => {
  expect(redis()).toEqual({
    name: 'redis',
    healthy: true,
    ready: '1/1',
    restarts: '0',
    image: tagOf(workload.spec.template.spec.containers[0].image),
    disk: '1Gi',
    message: '7 clients',
  });
});

test('the use of a disk is shown, unless the kubelet measures the whole disk of the node', () => {
  expect(redis({ used: new Map([['data-redis-0', 12 * 2 ** 20]]) }).disk).toBe('12Mi of 1Gi');
  expect(redis({ used: new Map([['data-redis-0', 40 * 2 ** 30]]) }).disk).toBe('1Gi');
  expect(redis({ used: new Map([['data-arangodb-0', 12 * 2 ** 20]]) }).disk).toBe('1Gi');
});

test('restarts are counted over all containers, with the last termination', () => {
  const status = { containerStatuses: [{ restartCount: 1 }, { restartCount: 1, lastState: { terminated: { exitCode: 137 } } }] };
  expect(redis({ more: [pod(status)] }).restarts).toBe('2, last: killed by signal 9');
});

test('a failed health check outweighs ready pods, and is shown with the last warning', () => {
  const health = { healthy: false, message: 'its exporter cannot log in to it' };
  expect(redis({ health, more: [pod({}), warning] })).toMatchObject({
    healthy: false,
    message: 'its exporter cannot log in to it; last warning: Readiness probe failed: x',
  });
  expect(redis({ more: [pod({}), warning] }).message).toBe('7 clients');
});

test('a workload that is not ready is shown with the cause', () => {
  expect(redis({ change: { status: {} } })).toMatchObject({ healthy: false, ready: '0/1', message: 'waiting for its pod to be created' });
});
