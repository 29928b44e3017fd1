import { expect, test } from 'vitest';
import { ApiError } from '../kubectl.ts';
import { complete, ensure } from './ensure.ts';
import { dev, FakeCluster, prod } from './testing.ts';

const none = new Map<string, string>();

/** A cluster with all Secrets of dev. */
async function ensured(): Promise<FakeCluster> {
  const cluster = new FakeCluster();
  await ensure(cluster, dev, none);
  cluster.calls.length = 0;
  return cluster;
}

test('missing Secrets are created from given and generated values', async () => {
  const cluster = new FakeCluster();
  const { outcomes, kept } = await ensure(cluster, dev, new Map([['redis/password', 'the-given-one']]));
  expect(Object.fromEntries(outcomes)).toEqual({ arangodb: 'created', redis: 'created', consul: 'created', grafana: 'created' });
  expect(kept).toEqual([]);
  expect(cluster.calls).toEqual(['create arangodb redis consul grafana']);
  expect(cluster.secrets.redis).toEqual({ password: 'the-given-one' });
  expect(Object.keys(cluster.secrets.consul ?? {})).toEqual([
    'gossip-key',
    'management-token',
    'agent-token',
    'app-token',
    'metrics-token',
  ]);
  expect(cluster.secrets.arangodb?.password).toMatch(/^[\w-]{43}$/);
});

test('a second run changes nothing', async () => {
  const cluster = await ensured();
  const before = structuredClone(cluster.secrets);
  expect(new Set((await ensure(cluster, dev, none)).outcomes.values())).toEqual(new Set(['unchanged']));
  expect(cluster.calls).toEqual([]);
  expect(cluster.secrets).toEqual(before);
});

test('a missing key is added, and the existing keys stay, also those that no pod reads', async () => {
  const cluster = await ensured();
  const { 'metrics-token': _, ...rest } = cluster.secrets.consul ?? {};
  cluster.secrets.consul = { ...rest, mine: 'own' };
  const { outcomes } = await ensure(cluster, dev, none);
  expect(outcomes.get('consul')).toEqual({ added: ['metrics-token'] });
  expect(cluster.calls).toEqual(['replace consul']);
  expect(cluster.secrets.consul).toEqual({ ...rest, mine: 'own', 'metrics-token': expect.stringMatching(/^[0-9a-f-]{36}$/) });
});

test('a key with another value than the given one is kept, and named', async () => {
  const cluster = await ensured();
  const { password = '' } = cluster.secrets.redis ?? {};
  expect((await ensure(cluster, dev, new Map([['redis/password', 'another']]))).kept).toEqual(['redis/password']);
  expect(cluster.secrets.redis).toEqual({ password });
  expect((await ensure(cluster, dev, new Map([['redis/password', password]]))).kept).toEqual([]);
});

test('a missing value that cannot be generated is an error before anything is created', async () => {
  const cluster = new FakeCluster({}, 'platform');
  const sentence =
    'object-storage/secret-key cannot be generated: write S3_SECRET_KEY into an env file, and run npm run secrets -- --profile prod --from-env FILE';
  const half = new Map([['object-storage/access-key', 'the-access-key']]);
  await expect(ensure(cluster, prod, half)).rejects.toThrow(sentence);
  expect(() => complete(prod, half)).toThrow(sentence);
  expect(cluster.calls).toEqual([]);
  await ensure(cluster, prod, new Map([...half, ['object-storage/secret-key', 'the-hidden-key']]));
  expect(cluster.secrets['object-storage']).toEqual({ 'access-key': 'the-access-key', 'secret-key': 'the-hidden-key' });
  // Existing keys need no value.
  await ensure(cluster, prod, none);
});

test('a missing namespace is named with the command that creates it', async () => {
  const cluster = new FakeCluster();
  cluster.failure = (call) => (call.startsWith('create') ? new ApiError('namespaces "platform-dev" not found', 'NotFound') : undefined);
  await expect(ensure(cluster, dev, none)).rejects.toThrow(
    /^the namespace platform-dev does not exist: create it with npm run up -- --profile dev, or with kubectl apply --server-side -f dist\/dev\/setup$/,
  );
});

test('a Secret that another client creates at the same time is not overwritten', async () => {
  const cluster = new FakeCluster();
  cluster.failure = (call) => {
    if (call.startsWith('create')) cluster.secrets.redis = { password: 'theirs' };
    return undefined;
  };
  await expect(ensure(cluster, dev, none)).rejects.toThrow(
    'the Secret redis was created at the same time: nothing was overwritten, run the command again',
  );
  expect(cluster.secrets.redis).toEqual({ password: 'theirs' });
});

test('a Secret that another client changes at the same time is not overwritten', async () => {
  const cluster = await ensured();
  cluster.secrets.redis = {};
  cluster.failure = (call) => {
    if (call.startsWith('replace')) cluster.touch('redis');
    return undefined;
  };
  await expect(ensure(cluster, dev, none)).rejects.toThrow(
    'the Secret redis was changed at the same time: nothing was overwritten, run the command again',
  );
  expect(cluster.secrets.redis).toEqual({});
});

test('any other error of kubectl is passed on', async () => {
  const cluster = new FakeCluster();
  cluster.failure = () => new Error('kubectl create failed');
  await expect(ensure(cluster, dev, none)).rejects.toThrow('kubectl create failed');
});

test('complete Secrets have the labels of the profile, no owner, and keys in order', () => {
  const [first, ...others] = complete(dev, none);
  expect(others.map(({ metadata }) => metadata.name)).toEqual(['redis', 'consul', 'grafana']);
  expect(first).toEqual({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'arangodb', namespace: 'platform-dev', labels: dev.settings.shared.labels },
    type: 'Opaque',
    stringData: { 'metrics-password': expect.any(String), password: expect.any(String), 'root-password': expect.any(String) },
  });
  expect(Object.keys(first?.stringData)).toEqual(['metrics-password', 'password', 'root-password']);
  expect(complete(dev, none)[0]?.stringData).not.toEqual(first?.stringData);
});
