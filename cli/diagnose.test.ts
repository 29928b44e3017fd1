import { expect, test } from 'vitest';
import type { Manifest } from '../lib/render.ts';
import { diagnose } from './diagnose.ts';

/** A StatefulSet `redis` as the server has it, its pod, and what is told of that pod. */
function redis(
  change: { status?: object; pod?: object | null; conditions?: object[]; container?: object; events?: object[]; more?: object[] } = {},
) {
  const spec = { replicas: 1, template: { spec: { containers: [container] } } };
  const workload = { apiVersion: 'apps/v1', kind: 'StatefulSet', metadata: { name: 'redis', uid: 's', generation: 2 }, spec };
  const running = { observedGeneration: 2, replicas: 1, readyReplicas: 0, currentRevision: 'a', updateRevision: 'a' };
  const pod = {
    kind: 'Pod',
    metadata: { name: 'redis-0', uid: 'p', creationTimestamp: '1', ownerReferences: [{ uid: 's' }], ...change.pod },
    spec: { containers: [container] },
    status: {
      conditions: change.conditions ?? [{ type: 'PodScheduled', status: 'True' }],
      ...(change.container && { containerStatuses: [{ name: 'redis', restartCount: 0, ready: false, state: {}, ...change.container }] }),
    },
  };
  const events = (change.events ?? []).map((event, index) => ({
    kind: 'Event',
    metadata: { name: `e${index}` },
    lastTimestamp: `${index}`,
    involvedObject: { uid: 'p' },
    type: 'Warning',
    ...event,
  }));
  const objects = [
    { ...workload, status: { ...running, ...change.status } },
    ...(change.pod === null ? [] : [pod]),
    ...events,
    ...(change.more ?? []),
  ];
  return diagnose(workload as Manifest, { objects: objects as Manifest[] }, 'dev');
}

const container = {
  name: 'redis',
  image: 'docker.io/library/redis:7',
  readinessProbe: { exec: { command: ['redis-cli', 'ping'] } },
  startupProbe: { httpGet: { path: '/ready', port: 'http' } },
};

test('a workload is ready when every pod of its newest version is', () => {
  expect(redis({ status: { readyReplicas: 1 } })).toMatchObject({ state: 'ready', ready: 1, wanted: 1, words: '' });
  expect(redis({ status: { readyReplicas: 1, observedGeneration: 1 } }).state).toBe('waiting');
  expect(redis({ status: { readyReplicas: 1, updateRevision: 'b' } }).state).toBe('waiting');
  expect(redis({ status: { readyReplicas: 1, replicas: 2 } }).state).toBe('waiting');
});

test('a workload that is not applied is not there', () => {
  const workload = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'grafana' },
    spec: { replicas: 2 },
  } as unknown as Manifest;
  expect(diagnose(workload, { objects: [] }, 'dev')).toMatchObject({ state: 'waiting', words: 'it is not there', wanted: 2 });
});

test('a used up quota is named with what is asked for', () => {
  const message =
    'create Pod redis-0 in StatefulSet redis failed error: pods "redis-0" is forbidden: exceeded quota: quota, requested: requests.memory=224Mi, used: requests.memory=0, limited: requests.memory=64Mi';
  const events = [{ involvedObject: { uid: 's' }, reason: 'FailedCreate', message }];
  expect(redis({ pod: null, events })).toMatchObject({
    state: 'stuck',
    words: 'the quota "quota" is used up: it asks for requests.memory=224Mi, requests.memory=0 are taken of requests.memory=64Mi',
    help: 'raise settings.setup.quota and run up again, or remove what takes it',
  });
});

test('another refusal of the server is passed on', () => {
  const events = [{ involvedObject: { uid: 's' }, reason: 'FailedCreate', message: 'violates PodSecurity "restricted:latest"' }];
  expect(redis({ pod: null, events }).words).toBe('the server refuses its pod: violates PodSecurity "restricted:latest"');
});

test('a pod that fits no node says why', () => {
  const message = '0/1 nodes are available: 1 Insufficient memory. preemption: 0/1 nodes are available.';
  const found = redis({ conditions: [{ type: 'PodScheduled', status: 'False', message }] });
  expect(found).toMatchObject({ state: 'stuck', words: 'no node takes it: 0/1 nodes are available: 1 Insufficient memory.' });
});

test('an image that nobody has is named with the command that brings it', () => {
  const events = [{ reason: 'Failed', message: 'Failed to pull image "docker.io/library/redis:7": not found' }];
  expect(redis({ container: { state: { waiting: { reason: 'ImagePullBackOff' } } }, events })).toMatchObject({
    state: 'stuck',
    words: 'the image docker.io/library/redis:7 cannot be pulled: no registry has it under that name',
    help: expect.stringContaining('kind load docker-image redis:7'),
  });
});

test('a missing Secret is named, as a volume and as a variable, with the command that makes it', () => {
  const made = { state: 'stuck', words: 'the Secret redis is missing', help: 'npm run secrets -- --profile dev' };
  const events = [{ reason: 'FailedMount', message: 'MountVolume.SetUp failed for volume "secret-redis" : secret "redis" not found' }];
  expect(redis({ container: { state: { waiting: { reason: 'ContainerCreating' } } }, events })).toMatchObject(made);
  const wait = { reason: 'CreateContainerConfigError', message: 'secret "redis" not found' };
  expect(redis({ container: { state: { waiting: wait } } })).toMatchObject(made);
  const key = { reason: 'CreateContainerConfigError', message: "couldn't find key password in Secret platform-dev/redis" };
  expect(redis({ container: { state: { waiting: key } } }).words).toBe('the key password of the Secret platform-dev/redis is missing');
});

test('a container that crashes is waited for twice, then it is stuck, with where its log is', () => {
  const ended = { terminated: { exitCode: 1 } };
  const wait = { waiting: { reason: 'CrashLoopBackOff' } };
  expect(redis({ container: { state: wait, lastState: ended, restartCount: 1 } }).state).toBe('waiting');
  expect(redis({ container: { state: ended, restartCount: 1 } }).words).toBe('redis ends with status 1, 2 times so far');
  expect(redis({ container: { state: wait, lastState: ended, restartCount: 2 } })).toMatchObject({
    state: 'stuck',
    words: 'redis ends with status 1, 3 times so far',
    help: 'kubectl logs redis-0 --container=redis --previous',
    crashed: { pod: 'redis-0', container: 'redis' },
  });
  const killed = { terminated: { exitCode: 137, reason: 'OOMKilled' } };
  expect(redis({ container: { state: wait, lastState: killed, restartCount: 2 } }).words).toBe(
    'redis ends for want of memory (OOMKilled), 3 times so far',
  );
});

test('a container that is not ready says which probe is not answered, and what it said', () => {
  const state = { running: {} };
  expect(redis({ container: { state, started: false } }).words).toBe('its startup probe (GET /ready at http) is not answered yet');
  const events = [{ reason: 'Unhealthy', message: 'Readiness probe failed: LOADING Redis is loading the dataset in memory\n' }];
  expect(redis({ container: { state, started: true }, events }).words).toBe(
    'its readiness probe (a command) is not answered yet: LOADING Redis is loading the dataset in memory',
  );
});

test('a container without a probe, as a Job has it, is at work', () => {
  const spec = { containers: [{ name: 'redis', image: 'x:1' }] };
  const job = { apiVersion: 'batch/v1', kind: 'Job', metadata: { name: 'j', uid: 'j' }, spec: { template: { spec } } };
  const status = { conditions: [], containerStatuses: [{ name: 'redis', ready: false, restartCount: 0, state: { running: {} } }] };
  const pod = { kind: 'Pod', metadata: { name: 'j-1', uid: 'p', ownerReferences: [{ uid: 'j' }] }, spec, status };
  const now = (more: object) => ({ objects: [{ ...job, ...more }, pod] as unknown as Manifest[] });
  expect(diagnose(job as unknown as Manifest, now({}), 'dev').words).toBe('redis is at work');
  expect(diagnose(job as unknown as Manifest, now({ status: { succeeded: 1 } }), 'dev').state).toBe('ready');
  const failed = { status: { conditions: [{ type: 'Failed', status: 'True' }] } };
  expect(diagnose(job as unknown as Manifest, now(failed), 'dev')).toMatchObject({
    state: 'stuck',
    help: 'kubectl delete job j, then up again',
    crashed: { pod: 'j-1', container: 'redis' },
  });
});

test('a disk that cannot be made says why; a write that the server repeats by itself is no reason', () => {
  const claim = { kind: 'PersistentVolumeClaim', metadata: { name: 'data-redis-0', uid: 'c' }, status: { phase: 'Pending' } };
  const told = {
    kind: 'Event',
    metadata: { name: 'x' },
    lastTimestamp: '9',
    involvedObject: { uid: 'c' },
    type: 'Warning',
    reason: 'ProvisioningFailed',
    message: 'storageclass "fast" not found',
  };
  const objects = { ...claim };
  const pod = { volumes: [{ persistentVolumeClaim: { claimName: 'data-redis-0' } }] };
  const workload = {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'redis', uid: 's', generation: 1 },
    spec: { replicas: 1 },
  };
  const waitingPod = {
    kind: 'Pod',
    metadata: { name: 'redis-0', uid: 'p', ownerReferences: [{ uid: 's' }] },
    spec: { containers: [container], ...pod },
    status: { conditions: [{ type: 'PodScheduled', status: 'False', message: 'pod has unbound immediate PersistentVolumeClaims' }] },
  };
  const all = [workload, waitingPod, objects, told] as unknown as Manifest[];
  expect(diagnose(workload as unknown as Manifest, { objects: all }, 'dev').words).toBe(
    'its disk data-redis-0 cannot be made: storageclass "fast" not found',
  );
  const conflict =
    'Error saving claim: Operation cannot be fulfilled on persistentvolumeclaims "data-redis-0": the object has been modified';
  const raced = [workload, waitingPod, objects, { ...told, message: conflict }] as unknown as Manifest[];
  expect(diagnose(workload as unknown as Manifest, { objects: raced }, 'dev').words).toBe('a node is looked for');
});
