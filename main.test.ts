import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';

const root = import.meta.dirname;
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
  const out = join(scratch, 'here');
  execFileSync('sh', ['-c', `mkdir -p ${out}/old && touch ${out}/old/left.yaml`]);
  expect(synth('here')).toEqual(synthesized);
});
