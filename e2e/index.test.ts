import { execaSync } from 'execa';
import { expect, test } from 'vitest';

test.each([
  [['--context', 'kind-x', '--al'], /^unknown option '--al'\n\(Did you mean --all\?\)$/],
  [[], /^required option '--context <name>' not specified$/],
  [['--context', 'kind-x'], /^kubectl is not on PATH/],
])('%j is refused with one sentence and status 2', (args, sentence) => {
  const env = { PATH: '/nowhere' };
  const { exitCode, stdout, stderr } = execaSync(process.execPath, ['run.js', 'e2e/index.ts', ...args], { env, reject: false });
  expect(stderr).toMatch(sentence);
  expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
});
