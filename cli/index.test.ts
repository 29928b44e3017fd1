import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'cli-'));
afterAll(() => rmSync(folder, { recursive: true }));
// A kubeconfig without a context, as kubectl has it before there is a cluster.
writeFileSync(join(folder, 'kubectl'), '#!/bin/sh\nexit 0\n', { mode: 0o755 });

/** A command, with what is in that folder on PATH and nothing to answer its questions. */
function run(args: readonly string[], path = folder) {
  const env = { PATH: path, NO_COLOR: '1' };
  const { status, stdout, stderr } = spawnSync(process.execPath, ['run.js', 'cli/index.ts', ...args], { encoding: 'utf8', env });
  return { status, stdout, stderr: stderr.trim() };
}

test.each([
  [['upp'], /^there is no command "upp": use secrets, up, status, /],
  [['up'], /^say which profile: --profile dev or --profile prod$/],
  [['up', '--profile', 'staging'], /^there is no profile "staging": use dev or prod/],
  [['up', '--profil', 'dev'], /^Unknown option '--profil'; npm run up -- --help lists what there is$/],
  [['up', 'now', '--profile', 'dev'], /^Unexpected argument 'now'/],
  [['up', '--profile', 'dev', '--timeout', 'soon'], /^--timeout soon: give a number of seconds$/],
  [['up', '--profile', 'dev'], /^there is no cluster in the kubeconfig: set KUBECONFIG to its file, or make a cluster/],
  [['up', '--profile', 'dev', '--context', 'nowhere'], /^the kubeconfig has no context "nowhere": it has none$/],
  [['status', '--profile', 'dev', '--watch', '--json'], /^--watch and --json exclude each other/],
  [['open', '--profile', 'dev'], /^say which web UI: grafana, consul, arangodb$/],
  [['open', 'redis', '--profile', 'dev'], /^there is no web UI "redis": grafana, consul, arangodb$/],
  [['down', '--profile', 'dev', '--timeout', '0'], /^--timeout 0: give a number of seconds$/],
])('%j is refused in a sentence, with status 2', (args, sentence) => {
  const { status, stderr } = run(args);
  expect(stderr).toMatch(sentence);
  expect(status).toBe(2);
});

test('without kubectl the sentence says where to get it', () => {
  expect(run(['status', '--profile', 'dev'], '/nowhere')).toEqual({
    status: 2,
    stdout: '',
    stderr: 'kubectl is not on PATH: install it, see https://kubernetes.io/docs/tasks/tools/',
  });
});

test('--create needs kind, and says so before it does anything else', () => {
  const { status, stderr } = run(['up', '--profile', 'dev', '--create']);
  expect(stderr).toMatch(/^kind is not on PATH: install it/);
  expect(status).toBe(2);
});

test.each(['secrets', 'up', 'status', 'smoke', 'open', 'down'])('%s --help tells its options and an example', (name) => {
  const { status, stdout } = run([name, '--help']);
  expect(stdout).toContain(`npm run ${name} -- `);
  expect(stdout).toContain('--context NAME');
  expect(status).toBe(0);
});

test('without a command the commands are listed', () => {
  expect(run([]).stdout).toMatch(/npm run COMMAND -- --profile NAME, or npx platform COMMAND[\s\S]*down +removes what up applied/);
});
