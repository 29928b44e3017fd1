import { expect, test } from 'vitest';
import { tagOf } from '../lib/image.ts';
import type { Manifest } from '../lib/render.ts';
import { images } from '../settings/images.ts';
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
  metadata: { name: 'redis-0', uid: 'p', ownerReferences: [{ uid: 's' }] },
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

function redis({ used = new Map(), answer = { well: true, words: 'answers' }, more = [] as object[], change = {} } = {}) {
  const objects = [{ ...there, ...change }, claim, ...more] as unknown as Manifest[];
  return row(workload, { objects }, used, new Map([['redis', answer]]), dev);
}

test('a workload that is well is shown with its answer, its tag and its disk', () => {
  expect(redis()).toEqual({
    name: 'redis',
    well: true,
    ready: '1/1',
    restarts: '0',
    image: tagOf(images.redis),
    disk: '1Gi',
    words: 'answers',
  });
});

test('what is used of a disk is shown where its own size is measured, and not where it is the whole of the node', () => {
  expect(redis({ used: new Map([['data-redis-0', 12 * 2 ** 20]]) }).disk).toBe('12Mi of 1Gi');
  expect(redis({ used: new Map([['data-redis-0', 40 * 2 ** 30]]) }).disk).toBe('1Gi');
  expect(redis({ used: new Map([['data-arangodb-0', 12 * 2 ** 20]]) }).disk).toBe('1Gi');
});

test('restarts are counted over all containers, with how the last one ended', () => {
  const status = { containerStatuses: [{ restartCount: 1 }, { restartCount: 1, lastState: { terminated: { exitCode: 137 } } }] };
  expect(redis({ more: [pod(status)] }).restarts).toBe('2, last by signal 9');
});

test('a service that does not answer well is not well, whatever its pods say; its last warning comes along', () => {
  const answer = { well: false, words: 'the exporter beside it cannot log in' };
  expect(redis({ answer, more: [pod({}), warning] })).toMatchObject({
    well: false,
    words: 'the exporter beside it cannot log in; last warning: Readiness probe failed: x',
  });
  expect(redis({ more: [pod({}), warning] }).words).toBe('answers');
});

test('a workload that is not ready says what it waits for', () => {
  expect(redis({ change: { status: {} } })).toMatchObject({ well: false, ready: '0/1', words: 'its pod is being made' });
});
