import { beforeEach, expect, test, vi } from 'vitest';
import { UserError } from '../cli/user-error.ts';
import { main } from './main.ts';

let output = '';
beforeEach(() => {
  output = '';
  vi.stubEnv('PATH', '/nowhere');
  for (const stream of [process.stdout, process.stderr]) {
    vi.spyOn(stream, 'write').mockImplementation((text) => {
      output += text;
      return true;
    });
  }
});

test.each([
  [['--profil', 'dev'], /^unknown option '--profil'\n\(Did you mean --profile\?\)\n\s*npm run conformance -- --help lists the options\n/],
  [['--profile', 'staging'], /^option '--profile <name>' argument 'staging' is invalid. Allowed choices are dev, prod./],
  [['--only', 'redis,mysql'], /argument 'redis,mysql' is invalid. "mysql" is not one of arangodb, redis, /],
  [['--require', 'mysqld'], /argument 'mysqld' is invalid. "mysqld" is not one of redis-server, /],
  [['--jobs', '0'], /argument '0' is invalid. Give a whole number from 1./],
])('%j is an error with status 2', async (args, message) => {
  expect(await main(args)).toBe(2);
  expect(output).toMatch(message);
});

test('a required program that is missing is an error', async () => {
  const message = 'these required programs are not in a --bin folder or on PATH: redis-server, consul';
  await expect(main(['--require', 'redis-server,consul'])).rejects.toEqual(new UserError(message));
});

test('a machine without namespaces is an error', async () => {
  await expect(main([])).rejects.toThrow(/^this machine cannot run the checks, which need Linux, unshare, .*: unshare is missing$/);
});

test('--help lists the options', async () => {
  expect(await main(['--help'])).toBe(0);
  expect(output).toContain('--require <programs>');
});
