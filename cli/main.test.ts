import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest';
import { main } from './main.ts';
import { UserError } from './user-error.ts';

const folder = mkdtempSync(join(tmpdir(), 'cli-'));
afterAll(() => rmSync(folder, { recursive: true }));
// A kubectl whose kubeconfig has no context.
writeFileSync(join(folder, 'kubectl'), '#!/bin/sh\nexit 0\n', { mode: 0o755 });

let output = '';
beforeEach(() => {
  output = '';
  vi.stubEnv('PATH', folder);
  for (const stream of [process.stdout, process.stderr]) {
    vi.spyOn(stream, 'write').mockImplementation((text) => {
      output += text;
      return true;
    });
  }
  vi.spyOn(console, 'log').mockImplementation(() => {});
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  process.exitCode = undefined;
});

/** Runs a command in this process. Returns the exit status and the output, which is an error message when it throws. */
async function run(...args: readonly string[]) {
  try {
    return { status: await main(args), output };
  } catch (error) {
    return { status: error instanceof UserError ? 2 : 1, output: (error as Error).message };
  }
}

test.each([
  ['upp', /^unknown command 'upp'\n\(Did you mean up\?\)\n/],
  ['up', /^choose a profile: --profile dev or --profile prod$/],
  [
    'up --profile staging',
    /^option '--profile <name>' argument 'staging' is invalid\. Allowed choices are dev, prod\.\nnpm run up -- --help/,
  ],
  ['up --profil dev', /^unknown option '--profil'\n\(Did you mean --profile\?\)/],
  ['up now --profile dev', /^too many arguments for 'up'/],
  ['up --profile dev --timeout soon', /argument 'soon' is invalid\. Give a positive number of seconds\./],
  ['up --profile dev', /^the kubeconfig has no context: set KUBECONFIG to the right file, or create a cluster/],
  ['up --profile dev --create', /^kind is not on PATH: install it/],
  ['status --profile dev --watch --json', /^--watch and --json exclude each other/],
  ['open --profile dev', /^missing required argument 'grafana\|consul\|arangodb'/],
  ['open redis --profile dev', /Allowed choices are grafana, consul, arangodb\./],
  ['down --profile dev --timeout 0', /argument '0' is invalid\. Give a positive number of seconds\./],
])('"%s" is rejected with a sentence and status 2', async (line, sentence) => {
  const result = await run(...line.split(' '));
  expect(result.output).toMatch(sentence);
  expect(result.status).toBe(2);
});

test('without kubectl the sentence says where to get it', async () => {
  vi.stubEnv('PATH', '/nowhere');
  expect(await run('status', '--profile', 'dev')).toEqual({
    status: 2,
    output: 'kubectl is not on PATH: install it, see https://kubernetes.io/docs/tasks/tools/',
  });
});

test.each(['secrets', 'up', 'status', 'smoke', 'open', 'down'])('%s --help lists its options and an example', async (name) => {
  const { status, output } = await run(name, '--help');
  expect(output).toMatch(new RegExp(`^Usage: npm run ${name} -- `));
  expect(output).toContain('--context <name>');
  expect(output).toMatch(new RegExp(`\n  npm run ${name} -- .*--profile dev\n`));
  expect(status).toBe(0);
});

test('without a command the commands are listed', async () => {
  expect(await run()).toEqual({ status: 0, output: expect.stringMatching(/npx platform <command>[\s\S]*down +remove what up applied/) });
});

test('npm run and npx print the sentence alone and end with its status', () => {
  const env = { PATH: [folder, process.env.PATH].join(delimiter), NO_COLOR: '1' };
  for (const program of [['run.js', 'cli/index.ts'], ['cli/bin.js']]) {
    const { status, stdout, stderr } = spawnSync(process.execPath, [...program, 'up'], { encoding: 'utf8', env });
    expect({ status, stdout, stderr }).toEqual({ status: 2, stdout: '', stderr: 'choose a profile: --profile dev or --profile prod\n' });
  }
});
