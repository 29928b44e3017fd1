import { afterEach, describe, expect, test } from 'vitest';
import { UserError } from '../user-error.ts';
import { needed } from './generate.ts';
import { rotate } from './rotate.ts';
import { cluster, endRotation, errorOf, lines, OLD, READERS, run, waits } from './rotate-testing.ts';
import { dev, FakeCluster, prod } from './testing.ts';

afterEach(endRotation);

const job = (name: string) => dev.objects.find(({ kind, metadata }) => kind === 'Job' && metadata.name.startsWith(name))?.metadata.name;
const rerun = (name: string) => [`delete job ${job(name)}`, `apply ${job(name)}`, `wait job/${job(name)}`];

describe('without a request to the service', () => {
  test('Redis restarts first, then its clients', async () => {
    const made = cluster();
    const steps = await run(made, 'redis/password');
    expect(made.calls).toEqual([
      'replace redis',
      'rollout restart statefulset/redis',
      ...waits('statefulset/redis'),
      `rollout restart ${READERS} deployment/celery-exporter`,
      ...waits('deployment/celery-worker-default', 'deployment/celery-beat', 'deployment/celery-exporter'),
    ]);
    expect(made.secrets.redis?.password).toMatch(/^[\w-]{43}$/);
    expect(steps).toEqual([
      'put the new value into the Secret: redis/password',
      'restart redis and wait',
      'restart celery-worker-default, celery-beat, celery-exporter and wait',
    ]);
    expect(lines).toEqual(steps);
  });

  test('the cache restarts first, then the app', async () => {
    const made = new FakeCluster(structuredClone(OLD), 'platform');
    made.workloads.push('statefulset/redis-cache', 'deployment/celery-worker-slow', 'deployment/celery-exporter');
    await run(made, 'redis-cache/password', {}, prod);
    expect(made.calls.filter((call) => !call.includes('status'))).toEqual([
      'replace redis-cache',
      'rollout restart statefulset/redis-cache',
      'rollout restart deployment/celery-worker-slow',
    ]);
  });

  test('without running workloads only the Secret changes', async () => {
    const made = new FakeCluster(structuredClone(OLD));
    await run(made, 'redis/password');
    expect(made.calls).toEqual(['replace redis']);
  });

  test('a Job that reads the key is not restarted', async () => {
    const env = [{ name: 'PASSWORD', valueFrom: { secretKeyRef: { name: 'redis', key: 'password' } } }];
    const work = { apiVersion: 'batch/v1', kind: 'Job', metadata: { name: 'x' }, spec: { template: { spec: { containers: [{ env }] } } } };
    const made = cluster();
    made.workloads.push('job/x');
    await run(made, 'redis/password', {}, { ...dev, objects: [...dev.objects, work] });
    expect(made.calls.filter((call) => call.includes('job/x'))).toEqual([]);
  });

  test('a value from an env file is used', async () => {
    const made = cluster();
    await run(made, 'redis/password', { 'redis/password': 'given-value' });
    expect(made.secrets.redis).toEqual({ password: 'given-value' });
    expect(await errorOf(made, 'redis/password', { 'redis/password': 'given-value' })).toBe(
      'redis/password already has the value of the env file: nothing was changed',
    );
  });

  test.each([
    ['arangodb/password', 'arangodb-bootstrap', READERS],
    ['arangodb/metrics-password', 'arangodb-bootstrap', undefined],
    ['consul/app-token', 'consul-acl', READERS],
    ['consul/agent-token', 'consul-acl', 'statefulset/consul'],
    ['consul/metrics-token', 'consul-acl', undefined],
  ])('%s is set by its Job, and its readers restart', async (path, name, restarted) => {
    const made = cluster();
    await run(made, path);
    expect(made.calls).toEqual([
      `replace ${path.split('/')[0]}`,
      ...rerun(name),
      ...(restarted ? [`rollout restart ${restarted}`, ...waits(...restarted.split(' '))] : []),
    ]);
  });

  test('the keys of the buckets come from the env file, and change together', async () => {
    const made = new FakeCluster(structuredClone(OLD), 'platform');
    made.workloads.push('statefulset/loki', 'deployment/tempo', 'statefulset/tempo');
    await run(made, 'object-storage/access-key', { 'object-storage/access-key': 'a-value', 'object-storage/secret-key': 'b-value' }, prod);
    expect(made.secrets['object-storage']).toEqual({ 'access-key': 'a-value', 'secret-key': 'b-value' });
    expect(made.calls[1]).toMatch(/^rollout restart .*loki/);
    await expect(run(made, 'object-storage/secret-key', {}, prod)).rejects.toThrow(
      'object-storage/secret-key cannot be generated: write S3_SECRET_KEY into an env file, and give it with --from-env FILE',
    );
  });

  test('a step that fails after the Secret has changed names the remaining steps', async () => {
    const made = cluster();
    made.failure = (call) => (call === 'rollout status statefulset/redis' ? new UserError('it takes too long') : undefined);
    expect(await errorOf(made, 'redis/password')).toBe(
      'it takes too long\nthe Secret has the new value of redis/password. Remaining steps: restart redis and wait; restart celery-worker-default, celery-beat, celery-exporter and wait',
    );
  });
});

test('every key that a profile needs has a procedure, or a reason why it has none', async () => {
  for (const { name, keys } of needed(prod)) {
    for (const key of Object.keys(keys)) {
      const made = new FakeCluster({}, 'platform');
      const expected = key === 'secret-key' && name === 'grafana' ? 'cannot be rotated' : 'does not exist in the namespace platform';
      await expect(run(made, `${name}/${key}`, {}, prod)).rejects.toThrow(expected);
    }
  }
});

test('a missing key must be created first', async () => {
  expect(await errorOf(new FakeCluster(), 'redis/password')).toBe(
    'redis/password does not exist in the namespace platform-dev: create it with npm run secrets -- --profile dev',
  );
});

test('an unknown key is rejected with the names of the others', async () => {
  expect(await errorOf(cluster(), 'redis-cache/password')).toMatch(
    /^the profile dev has no key "redis-cache\/password": choose one of arangodb\/root-password, .*grafana\/secret-key$/,
  );
});

test('without a terminal the plan is printed and nothing changes', async () => {
  const made = cluster();
  const done = rotate(made, dev, 'redis/password', { given: new Map(), yes: false, log: () => {} });
  await expect(done).rejects.toThrow(`redis/password gets a new value:
  1. put the new value into the Secret: redis/password
  2. restart redis and wait
  3. restart celery-worker-default, celery-beat, celery-exporter and wait
No task is lost: tasks queue at their senders, and run once everything has restarted, in a minute or two.
to do this without a terminal, give --yes`);
  expect(made.calls).toEqual([]);
});
