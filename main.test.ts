import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';

const root = import.meta.dirname;
/** The files that synth needs. */
const SOURCES = ['charts', 'imports', 'lib', 'rules', 'settings', 'build.ts', 'main.ts', 'run.js', 'package.json', 'package-lock.json'];
const scratch = mkdtempSync(join(tmpdir(), 'platform-'));
afterAll(() => rmSync(scratch, { recursive: true }));

/** Every file below a folder, by its path in it. */
function files(folder: string): Record<string, string> {
  const found = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = found.map((entry) => join(entry.parentPath, entry.name)).sort();
  return Object.fromEntries(paths.map((path) => [path.slice(folder.length + 1), readFileSync(path, 'utf8')]));
}

/** What the program writes, started as `npm run synth` starts it. */
function synth(name: string, options: { env?: Record<string, string>; cwd?: string } = {}): Record<string, string> {
  const out = join(scratch, name);
  const { env, cwd = root } = options;
  execFileSync(process.execPath, [join(root, 'run.js'), join(root, 'main.ts')], {
    cwd,
    env: { ...process.env, CDK8S_OUTDIR: out, ...env },
  });
  return files(out);
}

const synthesized = synth('here');

describe.each(Object.entries(synthesized))('%s', (_, content) => {
  test('is as reviewed', () => expect(content).toMatchSnapshot());
});

test('dist/ is what synth writes', () => {
  expect(files(join(root, 'dist'))).toEqual(synthesized);
});

test('neither time zone nor locale nor working directory changes a byte', () => {
  const elsewhere = { env: { TZ: 'Pacific/Apia', LANG: 'tr_TR.UTF-8', LC_ALL: 'tr_TR.UTF-8' }, cwd: tmpdir() };
  expect(synth('elsewhere', elsewhere)).toEqual(synthesized);
});

test('what an earlier synth wrote and this one does not is gone', () => {
  mkdirSync(join(scratch, 'here/old'), { recursive: true });
  writeFileSync(join(scratch, 'here/old/left.yaml'), '');
  expect(synth('here')).toEqual(synthesized);
});

describe('a platform that is wrong', () => {
  const copy = join(scratch, 'copy');
  mkdirSync(copy);
  for (const name of [...SOURCES, 'cdk8s.yaml']) {
    cpSync(join(root, name), join(copy, name), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));

  /** Synthesizes the copy with a text of a file replaced, by whichever command. */
  function broken(file: string, from: string, to: string, command = ['node', 'run.js', 'main.ts']) {
    const source = readFileSync(join(copy, file), 'utf8');
    expect(source).toContain(from);
    writeFileSync(join(copy, file), source.replace(from, to));
    const { status, stderr } = spawnSync(command[0] ?? '', command.slice(1), {
      cwd: copy,
      encoding: 'utf8',
      env: { ...process.env, CDK8S_OUTDIR: 'dist' },
    });
    writeFileSync(join(copy, file), source);
    return { status, lines: stderr.trim().split('\n') };
  }

  test('is refused with a line for each finding of each profile, and dist/ stays as it was', () => {
    mkdirSync(join(copy, 'dist'));
    writeFileSync(join(copy, 'dist/kept.yaml'), 'kept');
    const { status, lines } = broken('charts/loki.ts', "'-config.file=/etc/loki/loki.yaml'", "'-config.file=/etc/loki/config.yaml'");
    expect(status).toBe(1);
    expect(lines).toEqual(
      ['dev', 'prod'].map(
        (profile) =>
          `${profile}: loki.yaml: StatefulSet loki: spec.template.spec.containers[0]: it reads /etc/loki/config.yaml, and ConfigMap loki has no key config.yaml; name one of loki.yaml (configs)`,
      ),
    );
    expect(files(join(copy, 'dist'))).toEqual({ 'kept.yaml': 'kept' });
  });

  test('an unknown profile is refused with the names of those there are', () => {
    const { status, stderr } = spawnSync('node', ['run.js', 'tools/images.ts', 'staging'], { cwd: root, encoding: 'utf8' });
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /^settings\/index\.ts:\d+: there is no profile "staging": use dev or prod, or add yours to settings\/index\.ts\n$/,
    );
  });

  test('is refused by cdk8s synth too', () => {
    expect(broken('settings/images.ts', 'redis:7.2.16-alpine', 'redis:latest', ['node_modules/.bin/cdk8s', 'synth']).status).not.toBe(0);
  });

  test('settings are refused before anything is built, with the path of each', () => {
    const { status, lines } = broken('settings/index.ts', "namespace: 'platform-dev'", "namespace: 'Platform'");
    expect(status).toBe(1);
    expect(lines).toEqual([
      'dev: settings.shared.namespace is "Platform": a namespace is made of lower-case letters, digits and dashes, 63 at most',
    ]);
  });

  test('a mistake in a settings file is named by its line, without a stack', () => {
    const { status, lines } = broken('settings/index.ts', 'maxmemory: mebibytes(96)', 'maxmemory: mebibytes(-96)');
    expect(status).toBe(1);
    expect(lines).toEqual([expect.stringMatching(/^settings\/index\.ts:\d+: Storage amounts cannot be negative\. Received: -96$/)]);
  });
});

test('the staging profile of docs/profiles.md compiles and synthesizes, and takes less than 30 lines', () => {
  const [, block = ''] = /```ts\n([\s\S]*?)```/.exec(readFileSync(join(root, 'docs/profiles.md'), 'utf8')) ?? [];
  expect(block.split('\n').length).toBeLessThan(30);
  const copy = join(scratch, 'staging');
  mkdirSync(copy);
  for (const name of [...SOURCES, 'text.d.ts', 'tsconfig.json']) {
    cpSync(join(root, name), join(copy, name), { recursive: true, filter: (path) => !path.endsWith('.test.ts') });
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  const settings = join(copy, 'settings/index.ts');
  writeFileSync(
    settings,
    readFileSync(settings, 'utf8').replace(/export const profiles = .*\n/, () => block),
  );
  const compiled = spawnSync('node_modules/.bin/tsc', [], { cwd: copy, encoding: 'utf8' });
  expect(compiled.stdout).toBe('');
  const written = spawnSync('node', ['run.js', 'main.ts'], { cwd: copy, encoding: 'utf8', env: { ...process.env, CDK8S_OUTDIR: 'dist' } });
  expect(written.stderr).toBe('');
  expect(readdirSync(join(copy, 'dist'))).toEqual(['dev', 'prod', 'staging']);
  expect(readFileSync(join(copy, 'dist/staging/setup/setup.yaml'), 'utf8')).toContain('name: platform-staging');
});
