import { describe, expect, test } from 'vitest';
import type { Manifest } from '../lib/render.ts';
import { diagnose } from './diagnose.ts';

/** The diagnosis of a StatefulSet `redis`, with its pod and that pod's events. */
function redis(
  change: { status?: object; pod?: object | null; conditions?: object[]; container?: object; events?: object[]; more?: object[] } = {},
) {
  const spec = { replicas: 1, selector, template: { spec: { containers: [container] } } };
  const workload = { apiVersion: 'apps/v1', kind: 'StatefulSet', metadata: { name: 'redis', uid: 's', generation: 2 }, spec };
  const running = { observedGeneration: 2, replicas: 1, readyReplicas: 0, currentRevision: 'a', updateRevision: 'a' };
  const pod = {
    kind: 'Pod',
    metadata: { name: 'redis-0', uid: 'p', labels: { app: 'redis' }, ...change.pod },
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

const selector = { matchLabels: { app: 'redis' } };
const container = {
  name: 'redis',
  image: 'docker.io/library/redis:7',
  readinessProbe: { exec: { command: ['redis-cli', 'ping'] } },
  startupProbe: { httpGet: { path: '/ready', port: 'http' } },
};

test('a workload is ready when all of its pods are ready and of the newest version', () => {
  expect(redis({ status: { readyReplicas: 1 } })).toMatchObject({ state: 'ready', ready: 1, wanted: 1, message: '' });
  expect(redis({ status: { readyReplicas: 1, observedGeneration: 1 } }).state).toBe('waiting');
  expect(redis({ status: { readyReplicas: 1, updateRevision: 'b' } }).state).toBe('waiting');
  expect(redis({ status: { readyReplicas: 1, replicas: 2 } }).state).toBe('waiting');
});

test('a workload that is not applied does not exist', () => {
  const workload = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'grafana' },
    spec: { replicas: 2 },
  } as unknown as Manifest;
  expect(diagnose(workload, { objects: [] }, 'dev')).toMatchObject({ state: 'waiting', message: 'it does not exist', wanted: 2 });
});

const QUOTA =
  'create Pod redis-0 in StatefulSet redis failed error: pods "redis-0" is forbidden: exceeded quota: quota, requested: requests.memory=224Mi, used: requests.memory=0, limited: requests.memory=64Mi';

test('an exhausted quota is named with the request', () => {
  const events = [{ involvedObject: { uid: 's' }, reason: 'FailedCreate', message: QUOTA }];
  expect(redis({ pod: null, events })).toMatchObject({
    state: 'stuck',
    message:
      'the quota "quota" is exhausted: its pod requests requests.memory=224Mi, and requests.memory=0 of requests.memory=64Mi are used',
    help: 'raise settings.setup.quota and run up again, or delete something that uses the quota',
  });
  const created = { involvedObject: { uid: 's' }, reason: 'SuccessfulCreate', type: 'Normal' };
  expect(redis({ pod: null, events: [...events, created] }).state).toBe('waiting');
});

test('any other rejection of the server is passed on, which a Deployment has as a condition', () => {
  const message = 'violates PodSecurity "restricted:latest"';
  const events = [{ involvedObject: { uid: 's' }, reason: 'FailedCreate', message }];
  expect(redis({ pod: null, events }).message).toBe(`the API server rejects its pod: ${message}`);
  const conditions = [{ type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message }];
  expect(redis({ pod: null, status: { conditions } }).message).toBe(`the API server rejects its pod: ${message}`);
});

test('a pod that fits no node gives the reason of the scheduler', () => {
  const message = '0/1 nodes are available: 1 Insufficient memory. preemption: 0/1 nodes are available.';
  const found = redis({ conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }] });
  expect(found).toMatchObject({ state: 'stuck', message: 'no node can run it: 0/1 nodes are available: 1 Insufficient memory.' });
  const gated = redis({ conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }] });
  expect(gated).toMatchObject({ state: 'waiting', message: 'waiting to be scheduled' });
});

test('an image that cannot be pulled is named with the answer of the registry and the command that loads it', () => {
  const events = [{ reason: 'Failed', message: 'Failed to pull image "docker.io/library/redis:7": not found' }];
  const state = { waiting: { reason: 'ImagePullBackOff', message: 'Back-off pulling image' } };
  expect(redis({ container: { state }, events })).toMatchObject({
    state: 'stuck',
    message: 'cannot pull the image docker.io/library/redis:7: not found',
    help: expect.stringContaining('kind load docker-image redis:7'),
  });
  expect(redis({ container: { state } }).message).toBe('cannot pull the image docker.io/library/redis:7: Back-off pulling image');
});

test('a missing Secret is named, as a volume and as a variable, with the command that creates it', () => {
  const made = { state: 'stuck', message: 'the Secret redis is missing', help: 'npm run secrets -- --profile dev' };
  const events = [{ reason: 'FailedMount', message: 'MountVolume.SetUp failed for volume "secret-redis" : secret "redis" not found' }];
  expect(redis({ container: { state: { waiting: { reason: 'ContainerCreating' } } }, events })).toMatchObject(made);
  const wait = { reason: 'CreateContainerConfigError', message: 'secret "redis" not found' };
  expect(redis({ container: { state: { waiting: wait } } })).toMatchObject(made);
  const key = { reason: 'CreateContainerConfigError', message: "couldn't find key password in Secret platform-dev/redis" };
  expect(redis({ container: { state: { waiting: key } } }).message).toBe('the key password of the Secret platform-dev/redis is missing');
});

test('a container is stuck after its third crash, with the command that shows its log', () => {
  const ended = { terminated: { exitCode: 1 } };
  const wait = { waiting: { reason: 'CrashLoopBackOff' } };
  expect(redis({ container: { state: wait, lastState: ended, restartCount: 1 } }).state).toBe('waiting');
  expect(redis({ container: { state: ended, restartCount: 1 } }).message).toBe('redis crashed 2 times: exited with status 1');
  expect(redis({ container: { state: wait, lastState: ended, restartCount: 2 } })).toMatchObject({
    state: 'stuck',
    message: 'redis crashed 3 times: exited with status 1',
    help: 'kubectl logs redis-0 --container=redis --previous',
    crashed: { pod: 'redis-0', container: 'redis' },
  });
  const killed = { terminated: { exitCode: 137, reason: 'OOMKilled' } };
  expect(redis({ container: { state: wait, lastState: killed, restartCount: 2 } }).message).toBe(
    'redis crashed 3 times: out of memory (OOMKilled)',
  );
});

test('a container that is not ready names its probe and the output of the probe', () => {
  const state = { running: {} };
  expect(redis({ container: { state, started: false } }).message).toBe('waiting for the startup probe of redis (GET /ready at port http)');
  const events = [{ reason: 'Unhealthy', message: 'Readiness probe failed: LOADING Redis is loading the dataset in memory\n' }];
  expect(redis({ container: { state, started: true }, events }).message).toBe(
    'waiting for the readiness probe of redis (a command): LOADING Redis is loading the dataset in memory',
  );
});

test('a container without a probe, as in a Job, is running until the Job ends', () => {
  const spec = { containers: [{ name: 'redis', image: 'x:1' }] };
  const job = { apiVersion: 'batch/v1', kind: 'Job', metadata: { name: 'j', uid: 'j' }, spec: { selector, template: { spec } } };
  const status = { conditions: [], containerStatuses: [{ name: 'redis', ready: false, restartCount: 0, state: { running: {} } }] };
  const pod = { kind: 'Pod', metadata: { name: 'j-1', uid: 'p', labels: { app: 'redis' } }, spec, status };
  const now = (more: object) => ({ objects: [{ ...job, ...more }, pod] as unknown as Manifest[] });
  expect(diagnose(job as unknown as Manifest, now({}), 'dev').message).toBe('redis is running');
  expect(diagnose(job as unknown as Manifest, now({ status: { succeeded: 1 } }), 'dev').state).toBe('ready');
  const failed = { status: { conditions: [{ type: 'Failed', status: 'True' }] } };
  expect(diagnose(job as unknown as Manifest, now(failed), 'dev')).toMatchObject({
    state: 'stuck',
    help: 'kubectl delete job j, then run up again',
    crashed: { pod: 'j-1', container: 'redis' },
  });
});

describe('a pod that waits for its disk', () => {
  const claim = { kind: 'PersistentVolumeClaim', metadata: { name: 'data-redis-0', uid: 'c' }, status: { phase: 'Pending' } };
  const unbound = 'pod has unbound immediate PersistentVolumeClaims';
  const pod = {
    kind: 'Pod',
    metadata: { name: 'redis-0', uid: 'p', labels: { app: 'redis' } },
    spec: { containers: [container], volumes: [{ persistentVolumeClaim: { claimName: 'data-redis-0' } }] },
    status: { conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: unbound }] },
  };
  /** The diagnosis, when the claim has this event. */
  const withEvent = (type: string, reason: string, message: string) => {
    const metadata = { name: 'redis', uid: 's', generation: 1 };
    const workload = { apiVersion: 'apps/v1', kind: 'StatefulSet', metadata, spec: { replicas: 1, selector } };
    const event = { kind: 'Event', metadata: { name: 'x' }, lastTimestamp: '9', involvedObject: { uid: 'c' }, type, reason, message };
    return diagnose(workload as Manifest, { objects: [workload, pod, claim, event] as unknown as Manifest[] }, 'dev').message;
  };

  test('names the reason why it cannot be provisioned', () => {
    expect(withEvent('Warning', 'ProvisioningFailed', 'storageclass "fast" not found')).toBe(
      'its disk data-redis-0 cannot be provisioned: storageclass "fast" not found',
    );
  });

  test('ignores a write that the server repeats by itself', () => {
    const conflict =
      'Error saving claim: Operation cannot be fulfilled on persistentvolumeclaims "data-redis-0": the object has been modified';
    expect(withEvent('Warning', 'ProvisioningFailed', conflict)).toBe('waiting for its disk data-redis-0');
  });

  test('lacks a node if the disk waits for the pod', () => {
    expect(withEvent('Normal', 'WaitForFirstConsumer', '')).toBe(`no node can run it: ${unbound}`);
  });
});
