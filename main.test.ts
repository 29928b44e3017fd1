import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { changes } from './charts/testing.ts';
import type { Manifest } from './lib/render.ts';
import { images } from './settings/images.ts';

const root = import.meta.dirname;
const scratch = mkdtempSync(join(tmpdir(), 'platform-'));
afterAll(() => rmSync(scratch, { recursive: true }));

/** Every file below a folder, by its relative path. */
function files(folder: string): Record<string, string> {
  const found = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = found.map((entry) => join(entry.parentPath, entry.name)).sort();
  return Object.fromEntries(paths.map((path) => [path.slice(folder.length + 1), readFileSync(path, 'utf8')]));
}

test('dist/ is what synth writes, in any time zone, locale and working directory; older files are removed', () => {
  const out = join(scratch, 'dist');
  mkdirSync(join(out, 'old/setup'), { recursive: true });
  writeFileSync(join(out, 'old/setup/setup.yaml'), '');
  execFileSync(process.execPath, [join(root, 'run.js'), join(root, 'main.ts')], {
    cwd: tmpdir(),
    env: { ...process.env, CDK8S_OUTDIR: out, TZ: 'Pacific/Apia', LANG: 'tr_TR.UTF-8', LC_ALL: 'tr_TR.UTF-8' },
  });
  expect(files(out)).toEqual(files(join(root, 'dist')));
});

test('synth keeps a folder that contains anything else, and says so', () => {
  const out = join(scratch, 'home');
  mkdirSync(out);
  writeFileSync(join(out, 'thesis.txt'), 'kept');
  const { status, stderr } = spawnSync('node', ['run.js', 'main.ts'], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, CDK8S_OUTDIR: out },
  });
  expect({ status, stderr }).toEqual({
    status: 1,
    stderr: `${out} contains thesis.txt, which synth has not written: move it, or name another folder in CDK8S_OUTDIR\n`,
  });
  expect(readdirSync(out)).toEqual(['thesis.txt']);
});

test.each(['main.ts', 'tools/docs.ts', 'tools/mutate.ts', 'tools/images.ts', 'tools/bench.ts'])('%s rejects an unknown option', (file) => {
  const { status, stderr } = spawnSync('node', ['run.js', file, '--dry-run'], { cwd: root, encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 1, stderr: "error: unknown option '--dry-run'\n" });
});

test('the tools reject an unknown profile and list the known ones', () => {
  const { status, stderr } = spawnSync('node', ['run.js', 'tools/images.ts', 'staging'], { cwd: root, encoding: 'utf8' });
  expect(status).toBe(1);
  expect(stderr).toContain("'staging' is invalid for argument 'profile'. Allowed choices are dev, prod.");
});

describe('in a copy of the sources', () => {
  const copy = join(scratch, 'copy');
  const sources = ['build.ts', 'charts', 'imports', 'lib', 'main.ts', 'rules', 'run.js', 'settings'];
  const configuration = ['cdk8s.yaml', 'package.json', 'package-lock.json', 'text.d.ts', 'tsconfig.json'];
  for (const name of [...sources, ...configuration])
    cpSync(join(root, name), join(copy, name), { recursive: true, filter: (path) => !path.endsWith('.test.ts') });
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  mkdirSync(join(copy, 'dist/dev/setup'), { recursive: true });
  writeFileSync(join(copy, 'dist/dev/setup/setup.yaml'), 'kept');

  const run = (command: string, ...args: string[]) =>
    spawnSync(command, args, { cwd: copy, encoding: 'utf8', env: { ...process.env, CDK8S_OUTDIR: 'dist' } });

  /** Replaces a text of a file while `use` runs. */
  function replaced<Result>(file: string, from: string | RegExp, to: string, use: () => Result): Result {
    const path = join(copy, file);
    const source = readFileSync(path, 'utf8');
    const changed = source.replace(from, () => to);
    expect(changed).not.toBe(source);
    writeFileSync(path, changed);
    try {
      return use();
    } finally {
      writeFileSync(path, source);
    }
  }

  /** The lines that synth prints when a text of a file is replaced; dist/ must stay as it was. */
  function errors(file: string, from: string, to: string): string[] {
    const { status, stderr } = replaced(file, from, to, () => run('node', 'run.js', 'main.ts'));
    expect(status).toBe(1);
    expect(files(join(copy, 'dist'))).toEqual({ 'dev/setup/setup.yaml': 'kept' });
    return stderr.trim().split('\n');
  }

  test('a finding of a rule is a line for each profile', () => {
    expect(errors('charts/loki.ts', "'-config.file=/etc/loki/loki.yaml'", "'-config.file=/etc/loki/config.yaml'")).toEqual(
      ['dev', 'prod'].map(
        (profile) =>
          `${profile}: loki.yaml: StatefulSet loki: spec.template.spec.containers[0]: it reads /etc/loki/config.yaml, and ConfigMap loki has no key config.yaml; use one of loki.yaml (configs)`,
      ),
    );
  });

  test('invalid settings are errors before anything is built, each with its path', () => {
    expect(errors('settings/index.ts', "namespace: 'platform-dev'", "namespace: 'Platform'")).toEqual([
      expect.stringMatching(/^dev: settings\.shared\.namespace is "Platform": /),
    ]);
  });

  test('an exception in a settings file is one line with its place, without a stack', () => {
    expect(errors('settings/index.ts', 'maxmemory: mebibytes(96)', 'maxmemory: mebibytes(-96)')).toEqual([
      expect.stringMatching(/^settings\/index\.ts:\d+: Storage amounts cannot be negative\. Received: -96$/),
    ]);
  });

  test.each([
    ['{}', 'settings/index.ts exports no profile: nothing would be left of the folder'],
    ["{ dev, '../prod': prod }", 'settings/index.ts: the profile "../prod" becomes a folder: use lower-case letters, digits and dashes'],
  ])('the profiles %s are rejected', (list, error) => {
    expect(errors('settings/index.ts', 'profiles = { dev, prod }', `profiles = ${list}`)).toEqual([error]);
  });

  test('a package that is not installed is an error with the command that installs it', () => {
    // Another lock file, because the bundle of the dependencies is cached for each.
    const [line] = replaced('package-lock.json', '"lockfileVersion": 3', '"lockfileVersion":  3', () =>
      errors('package.json', '"yaml": ', '"yaml-two": "1.0.0",\n    "yaml": '),
    );
    expect(line).toMatch(/^a package is missing or out of date: run npm ci \(Could not resolve "yaml-two"\)$/);
  });

  test('cdk8s synth fails too', () => {
    const { status } = replaced('settings/images.ts', images.redis, 'docker.io/library/redis:latest', () =>
      run('node_modules/.bin/cdk8s', 'synth'),
    );
    expect(status).not.toBe(0);
  });

  test('the staging profile of docs/profiles.md compiles and synthesizes, and takes less than 30 lines', () => {
    const [, block = ''] = /```ts\n([\s\S]*?)```/.exec(readFileSync(join(root, 'docs/profiles.md'), 'utf8')) ?? [];
    expect(block.split('\n').length).toBeLessThan(30);
    replaced('settings/index.ts', /export const profiles = .*\n/, block, () => {
      expect(run('node_modules/.bin/tsc').stdout).toBe('');
      expect(run('node', 'run.js', 'main.ts').stderr).toBe('');
    });
    const [, prod = [], staging = []] = ['dev', 'prod', 'staging'].map((profile) =>
      Object.values(files(join(copy, 'dist', profile))).flatMap((text) => parseAllDocuments(text).map((each): Manifest => each.toJS())),
    );
    expect(changes(prod, staging)).toMatchSnapshot();
  });
});
