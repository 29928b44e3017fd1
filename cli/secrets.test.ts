import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest';
import { parseAllDocuments } from 'yaml';
import type { Values } from './command.ts';
import { dev, FakeCluster } from './secrets/testing.ts';
import { ensureSecrets, secrets } from './secrets.ts';
import { UserError } from './user-error.ts';

const state = vi.hoisted(() => ({ run: undefined as unknown }));
vi.mock('./kubectl.ts', async (original) => {
  const real = await original<typeof import('./kubectl.ts')>();
  class Stub extends real.Kubectl {
    override run(...call: Parameters<FakeCluster['run']>): Promise<string> {
      return (state.run as FakeCluster['run'])(...call);
    }
  }
  return { ...real, Kubectl: Stub, contextOf: async () => 'kind-test' };
});

const folder = mkdtempSync(join(tmpdir(), 'platform-secrets-'));
afterAll(() => rmSync(folder, { recursive: true }));

let cluster: FakeCluster;
let out: string;
let err: string;

beforeEach(() => {
  cluster = new FakeCluster();
  state.run = (...call: Parameters<FakeCluster['run']>) => cluster.run(...call);
  out = '';
  err = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += text;
    return true;
  });
  vi.spyOn(console, 'log').mockImplementation((text) => {
    out += `${text}\n`;
  });
  vi.spyOn(console, 'error').mockImplementation((text) => {
    err += `${text}\n`;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});

const run = (values: Values) => secrets.run({ profile: 'dev', ...values }, []);

/** An env file with this text. */
function file(text: string): string {
  const path = join(folder, 'env');
  writeFileSync(path, text);
  return path;
}

/** What was printed, without the time of each line. */
const lines = () =>
  out
    .trim()
    .split('\n')
    .map((line) => line.replace(/^\d\d:\d\d:\d\d /, ''));

test('says of each Secret what became of it, with the time where it is piped', async () => {
  expect(await run({})).toBe(0);
  expect(out).toMatch(/^\d\d:\d\d:\d\d created {3}arangodb \(3 keys\)\n/);
  expect(lines()).toEqual([
    'created   arangodb (3 keys)',
    'created   redis (1 key)',
    'created   consul (5 keys)',
    'created   grafana (2 keys)',
  ]);
  out = '';
  delete cluster.secrets.grafana?.['secret-key'];
  expect(await run({})).toBe(0);
  expect(lines()).toEqual(['unchanged arangodb', 'unchanged redis', 'unchanged consul', 'added     grafana/secret-key']);
});

test('says it to a program as one object', async () => {
  cluster.secrets.redis = { password: 'theirs-0123456789' };
  expect(await run({ json: true, 'from-env': file('FOO=1\nREDIS_PASSWORD=mine-0123456789') })).toBe(1);
  expect(JSON.parse(out)).toEqual({
    profile: 'dev',
    context: 'kind-test',
    secrets: { arangodb: 'created', redis: 'unchanged', consul: 'created', grafana: 'created' },
    kept: ['redis/password'],
    notes: ["line 1: FOO is nothing of the platform's: not used"],
  });
});

test('a key with another value than the file is kept, which is no success', async () => {
  cluster.secrets.redis = { password: 'theirs-0123456789' };
  expect(await run({ 'from-env': file('FOO=1\nREDIS_PASSWORD=mine-0123456789') })).toBe(1);
  expect(lines()).toContain("note      line 1: FOO is nothing of the platform's: not used");
  expect(lines().at(-1)).toBe(
    'kept      redis/password: the file has another value, which --rotate redis/password --from-env FILE puts in its place',
  );
  expect(cluster.secrets.redis).toEqual({ password: 'theirs-0123456789' });
  expect(out).not.toContain('0123456789');
});

test('up shares it', async () => {
  const kubectl = new FakeCluster();
  expect(Object.fromEntries(await ensureSecrets(kubectl, dev))).toEqual({
    arangodb: 'created',
    redis: 'created',
    consul: 'created',
    grafana: 'created',
  });
  expect(await ensureSecrets(kubectl, dev, new Map([['redis/password', 'another']]))).toEqual(
    new Map(['arangodb', 'redis', 'consul', 'grafana'].map((name) => [name, 'unchanged'])),
  );
});

test('--print writes YAML and nothing else to standard output, asks no cluster, and is new each time', async () => {
  state.run = () => {
    throw new Error('the cluster was asked');
  };
  const path = file('FOO=1\nREDIS_PASSWORD=mine-0123456789');
  expect(await run({ print: true, 'from-env': path })).toBe(0);
  const all = parseAllDocuments(out).map((each) => each.toJS());
  expect(all.map(({ kind, metadata }) => `${kind} ${metadata.namespace}/${metadata.name}`)).toEqual(
    ['arangodb', 'redis', 'consul', 'grafana'].map((name) => `Secret platform-dev/${name}`),
  );
  expect(all[1].stringData).toEqual({ password: 'mine-0123456789' });
  expect(err).toBe(
    "line 1: FOO is nothing of the platform's: not used\nthese values are secret, and new each time: seal them, or put them into the store, and keep no other copy\n",
  );
  const first = out;
  out = '';
  await run({ print: true, 'from-env': path });
  expect(out).not.toBe(first);
  out = '';
  await run({ print: true, json: true });
  expect(JSON.parse(out)).toMatchObject({ kind: 'List', items: [{ metadata: { name: 'arangodb' } }, {}, {}, {}] });
});

test('--print works where the operator makes the Secrets, once it is told what only the user knows', async () => {
  await expect(run({ profile: 'prod', print: true })).rejects.toThrow(
    'only you know object-storage/access-key and object-storage/secret-key',
  );
  const path = file('S3_ACCESS_KEY=AKIA0123\nS3_SECRET_KEY=hidden0123');
  expect(await run({ profile: 'prod', print: true, 'from-env': path })).toBe(0);
  expect(out).toContain('access-key: AKIA0123');
});

test('--rotate says each step, and to a program all of them', async () => {
  cluster.secrets.redis = { password: 'theirs-0123456789' };
  expect(await run({ rotate: 'redis/password', yes: true })).toBe(0);
  expect(lines()).toEqual(['puts the new value into the Secret: redis/password', 'rotated   redis/password']);
  out = '';
  await run({ rotate: 'redis/password', yes: true, json: true });
  expect(JSON.parse(out)).toEqual({
    profile: 'dev',
    context: 'kind-test',
    rotated: 'redis/password',
    steps: ['puts the new value into the Secret: redis/password'],
    notes: [],
  });
});

const operator = 'the External Secrets Operator makes the Secrets of the profile prod (settings.externalSecrets): ';
const without = '; without the operator, take externalSecrets out of the profile or give --anyway';

test.each<[string, Values, string]>([
  ['no profile', { profile: undefined }, 'say which profile: --profile dev or --profile prod'],
  [
    'two orders',
    { print: true, rotate: 'redis/password' },
    '--print writes new Secrets and --rotate changes one that is there: give one of them',
  ],
  ['--yes alone', { yes: true }, '--yes answers what --rotate asks: give it with --rotate SECRET/KEY, or leave it out'],
  [
    'a file that is not there',
    { 'from-env': join(folder, 'none') },
    `--from-env ${folder}/none: it is not there; name a file of NAME=value lines`,
  ],
  ['a folder', { 'from-env': folder }, `--from-env ${folder}: it is a folder; name a file of NAME=value lines`],
  ['the operator', { profile: 'prod' }, `${operator}put the values into its store, for which --print makes some${without}`],
  ['the operator, to rotate', { profile: 'prod', rotate: 'redis/password' }, `${operator}change the value in its store${without}`],
  ['no terminal', { rotate: 'redis/password' }, 'nobody can be asked here: give --yes to have it done'],
])('%s is refused', async (_, values, sentence) => {
  cluster.secrets.redis = { password: 'theirs-0123456789' };
  const error = await run(values).catch((thrown: Error) => thrown);
  expect(error).toBeInstanceOf(UserError);
  expect((error as Error).message.split('\n').at(-1)).toBe(sentence);
  expect(cluster.calls).toEqual([]);
  expect(out).toBe('');
});

test('--anyway makes the Secrets that the operator would make', async () => {
  const path = file('S3_ACCESS_KEY=AKIA0123\nS3_SECRET_KEY=hidden0123');
  expect(await run({ profile: 'prod', anyway: true, 'from-env': path })).toBe(0);
  expect(cluster.secrets['object-storage']).toEqual({ 'access-key': 'AKIA0123', 'secret-key': 'hidden0123' });
});
