import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { FakeCluster } from './secrets/testing.ts';
import { manageSecrets, type SecretsOptions } from './secrets.ts';
import { UserError } from './user-error.ts';

const folder = mkdtempSync(join(tmpdir(), 'platform-secrets-'));
afterAll(() => rmSync(folder, { recursive: true }));

let cluster: FakeCluster;
let out: string;
let err: string;

beforeEach(() => {
  cluster = new FakeCluster();
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

const run = (options: SecretsOptions) => manageSecrets({ profile: 'dev', ...options }, async () => cluster);

/** An env file with this text. */
function file(text: string): string {
  const path = join(folder, 'env');
  writeFileSync(path, text);
  return path;
}

/** The printed lines, without their time. */
const lines = () =>
  out
    .trim()
    .split('\n')
    .map((line) => line.replace(/^\d\d:\d\d:\d\d /, ''));

test('prints the outcome for each Secret, with the time in a pipe', async () => {
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

test('--json prints one object', async () => {
  cluster.secrets.redis = { password: 'theirs-0123456789' };
  expect(await run({ json: true, fromEnv: file('FOO=1\nREDIS_PASSWORD=mine-0123456789') })).toBe(1);
  expect(JSON.parse(out)).toEqual({
    profile: 'dev',
    context: 'test',
    secrets: { arangodb: 'created', redis: 'unchanged', consul: 'created', grafana: 'created' },
    kept: ['redis/password'],
    notes: ['line 1: FOO is ignored: the platform does not use it'],
  });
});

test('a key with another value than the env file is kept, with exit status 1', async () => {
  cluster.secrets.redis = { password: 'theirs-0123456789' };
  expect(await run({ fromEnv: file('FOO=1\nREDIS_PASSWORD=mine-0123456789') })).toBe(1);
  expect(lines()).toContain('note      line 1: FOO is ignored: the platform does not use it');
  expect(lines().at(-1)).toBe(
    'kept      redis/password: the env file has another value, which --rotate redis/password --from-env FILE would apply',
  );
  expect(cluster.secrets.redis).toEqual({ password: 'theirs-0123456789' });
  expect(out).not.toContain('0123456789');
});

test('--print writes only YAML to standard output, contacts no cluster, and generates new values each time', async () => {
  cluster.failure = () => new Error('the cluster was contacted');
  const path = file('FOO=1\nREDIS_PASSWORD=mine-0123456789');
  expect(await run({ print: true, fromEnv: path })).toBe(0);
  const all = parseAllDocuments(out).map((each) => each.toJS());
  expect(all.map(({ kind, metadata }) => `${kind} ${metadata.namespace}/${metadata.name}`)).toEqual(
    ['arangodb', 'redis', 'consul', 'grafana'].map((name) => `Secret platform-dev/${name}`),
  );
  expect(all[1].stringData).toEqual({ password: 'mine-0123456789' });
  expect(err).toBe(
    'line 1: FOO is ignored: the platform does not use it\nthese values are secret and newly generated: seal them or put them into the store, and keep no other copy\n',
  );
  const first = out;
  out = '';
  await run({ print: true, fromEnv: path });
  expect(out).not.toBe(first);
  out = '';
  await run({ print: true, json: true });
  expect(JSON.parse(out)).toMatchObject({ kind: 'List', items: [{ metadata: { name: 'arangodb' } }, {}, {}, {}] });
});

test('--print works with the operator, and needs the values that cannot be generated', async () => {
  await expect(run({ profile: 'prod', print: true })).rejects.toThrow(
    'object-storage/access-key and object-storage/secret-key cannot be generated',
  );
  const path = file('S3_ACCESS_KEY=AKIA0123\nS3_SECRET_KEY=hidden0123');
  expect(await run({ profile: 'prod', print: true, fromEnv: path })).toBe(0);
  expect(out).toContain('access-key: AKIA0123');
});

test('--rotate prints each step, and --json prints all of them', async () => {
  cluster.secrets.redis = { password: 'theirs-0123456789' };
  expect(await run({ rotate: 'redis/password', yes: true })).toBe(0);
  expect(lines()).toEqual(['put the new value into the Secret: redis/password', 'rotated   redis/password']);
  out = '';
  await run({ rotate: 'redis/password', yes: true, json: true });
  expect(JSON.parse(out)).toEqual({
    profile: 'dev',
    context: 'test',
    rotated: 'redis/password',
    steps: ['put the new value into the Secret: redis/password'],
    notes: [],
  });
});

const operator = 'the External Secrets Operator creates the Secrets of the profile prod (settings.externalSecrets): ';
const without = '; if you do not use the operator, remove externalSecrets from the profile or give --anyway';

test.each<[string, SecretsOptions, string]>([
  ['no profile', { profile: undefined }, 'choose a profile: --profile dev or --profile prod'],
  ['--print with --rotate', { print: true, rotate: 'redis/password' }, '--print and --rotate exclude each other: give one of them'],
  ['--yes alone', { yes: true }, '--yes needs --rotate SECRET/KEY'],
  ['a missing file', { fromEnv: join(folder, 'none') }, `--from-env ${folder}/none: it does not exist; give a file of NAME=value lines`],
  ['a folder', { fromEnv: folder }, `--from-env ${folder}: it is a folder; give a file of NAME=value lines`],
  ['a profile with the operator', { profile: 'prod' }, `${operator}put the values into its store (--print generates some)${without}`],
  ['--rotate with the operator', { profile: 'prod', rotate: 'redis/password' }, `${operator}change the value in its store${without}`],
  ['--rotate without a terminal', { rotate: 'redis/password' }, 'to do this without a terminal, give --yes'],
])('%s is rejected', async (_, options, sentence) => {
  cluster.secrets.redis = { password: 'theirs-0123456789' };
  const error = await run(options).catch((thrown: Error) => thrown);
  expect(error).toBeInstanceOf(UserError);
  expect((error as Error).message.split('\n').at(-1)).toBe(sentence);
  expect(cluster.calls).toEqual([]);
  expect(out).toBe('');
});

test('--anyway creates the Secrets that the operator would create', async () => {
  const path = file('S3_ACCESS_KEY=AKIA0123\nS3_SECRET_KEY=hidden0123');
  expect(await run({ profile: 'prod', anyway: true, fromEnv: path })).toBe(0);
  expect(cluster.secrets['object-storage']).toEqual({ 'access-key': 'AKIA0123', 'secret-key': 'hidden0123' });
});
