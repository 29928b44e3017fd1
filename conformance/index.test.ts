import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';

/** The command, with that on PATH. */
function conformance(args: readonly string[], path = '/nowhere') {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['run.js', 'conformance/index.ts', ...args], {
    encoding: 'utf8',
    env: { PATH: path },
  });
  return { status, stdout, stderr: stderr.trim() };
}

test.each([
  [['--profil', 'dev'], /^Unknown option '--profil'.*See npm run conformance -- --help$/],
  [['--profile', 'staging'], /^dist\/ has no profile "staging": use dev or prod/],
  [['--only', 'mysql'], /^there is no service "mysql": use arangodb, redis, /],
  [['--require', 'mysqld'], /^--require does not know "mysqld": use redis-server, /],
  [['--jobs', '0'], /^--jobs 0: give a whole number from 1$/],
  [['--require', 'redis-server,consul'], /^not found in --bin or on PATH, and required: redis-server, consul$/],
  [[], /^no sandbox can be made here, which takes Linux, unshare, nsenter, ip and bwrap/],
])('%j is refused in a sentence, with status 2', (args, sentence) => {
  const { status, stdout, stderr } = conformance(args);
  expect(stderr).toMatch(sentence);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
});

test('--help says what there is', () => {
  expect(conformance(['--help'])).toMatchObject({ status: 0, stdout: expect.stringContaining('--require A,B'), stderr: '' });
});
