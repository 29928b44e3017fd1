import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';

test.each([
  [['--al'], /^Unknown option '--al'; npm run e2e -- --help lists what there is$/],
  [[], /^say which cluster it has for itself: --context NAME/],
  [['--context', 'kind-x'], /^kubectl is not on PATH/],
])('%j is refused in a sentence, with status 2', (args, sentence) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['run.js', 'e2e/index.ts', ...args], {
    encoding: 'utf8',
    env: { PATH: '/nowhere' },
  });
  expect(stderr.trim()).toMatch(sentence);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
});
