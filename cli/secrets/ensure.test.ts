import { expect, test } from 'vitest';
import { complete, ensure } from './ensure.ts';
import { dev, FakeCluster, prod } from './testing.ts';

const none = new Map<string, string>();

/** A cluster that has been through it once. */
async function ensured(): Promise<FakeCluster> {
  const cluster = new FakeCluster();
  await ensure(cluster, dev, none);
  cluster.calls.length = 0;
  return cluster;
}

test('what is missing is created, with what was given and the rest generated', async () => {
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

test('a key that a newer release asks for is added, and what was there stays, asked for or not', async () => {
  const cluster = await ensured();
  const { 'metrics-token': _, ...rest } = cluster.secrets.consul ?? {};
  cluster.secrets.consul = { ...rest, mine: 'own' };
  const { outcomes } = await ensure(cluster, dev, none);
  expect(outcomes.get('consul')).toEqual({ added: ['metrics-token'] });
  expect(cluster.calls).toEqual(['replace consul']);
  expect(cluster.secrets.consul).toEqual({ ...rest, mine: 'own', 'metrics-token': expect.stringMatching(/^[0-9a-f-]{36}$/) });
});

test('a key that holds another value than the given one is kept, and named', async () => {
  const cluster = await ensured();
  const { password = '' } = cluster.secrets.redis ?? {};
  expect((await ensure(cluster, dev, new Map([['redis/password', 'another']]))).kept).toEqual(['redis/password']);
  expect(cluster.secrets.redis).toEqual({ password });
  expect((await ensure(cluster, dev, new Map([['redis/password', password]]))).kept).toEqual([]);
});

test('what only the user knows is asked for before anything is created', async () => {
  const cluster = new FakeCluster({}, 'platform');
  const sentence =
    'only you know object-storage/secret-key: write S3_SECRET_KEY into an env file, and give it with npm run secrets -- --profile prod --from-env FILE';
  const half = new Map([['object-storage/access-key', 'the-access-key']]);
  await expect(ensure(cluster, prod, half)).rejects.toThrow(sentence);
  expect(() => complete(prod, half)).toThrow(sentence);
  expect(cluster.calls).toEqual([]);
  await ensure(cluster, prod, new Map([...half, ['object-storage/secret-key', 'the-hidden-key']]));
  expect(cluster.secrets['object-storage']).toEqual({ 'access-key': 'the-access-key', 'secret-key': 'the-hidden-key' });
  // What is there is not asked for again.
  await ensure(cluster, prod, none);
});

test('a namespace that is not there is named, with what makes it', async () => {
  const cluster = new FakeCluster();
  cluster.refuse = (call) => (call.startsWith('create') ? 'kubectl create failed: namespaces "platform-dev" not found' : undefined);
  await expect(ensure(cluster, dev, none)).rejects.toThrow(
    /^the namespace platform-dev is not there: npm run up -- --profile dev makes it, or kubectl apply --server-side -f dist\/dev\/setup$/,
  );
});

test('what somebody else makes at the same time is not overwritten', async () => {
  const cluster = new FakeCluster();
  cluster.refuse = (call) => {
    if (call.startsWith('create')) cluster.secrets.redis = { password: 'theirs' };
    return undefined;
  };
  await expect(ensure(cluster, dev, none)).rejects.toThrow(
    'somebody else made the Secret redis at the same time: nothing was overwritten, run it again',
  );
  expect(cluster.secrets.redis).toEqual({ password: 'theirs' });
});

test('what somebody else changes at the same time is not overwritten', async () => {
  const cluster = await ensured();
  cluster.secrets.redis = {};
  cluster.refuse = (call) => {
    if (call.startsWith('replace')) cluster.touch('redis');
    return undefined;
  };
  await expect(ensure(cluster, dev, none)).rejects.toThrow(
    'somebody else changed the Secret redis at the same time: nothing was overwritten, run it again',
  );
  expect(cluster.secrets.redis).toEqual({});
});

test('any other complaint of kubectl is passed on', async () => {
  const cluster = new FakeCluster();
  cluster.refuse = () => 'you may not do this';
  await expect(ensure(cluster, dev, none)).rejects.toThrow('you may not do this');
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
