import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { build } from '../build.ts';
import { podOf } from '../lib/render.ts';
import { profiles } from '../settings/index.ts';
import { entrypointOf, findPrograms, foldersOf, programNames } from './programs.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'programs-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Writes a program that prints a version. */
function put(path: string, version: string): string {
  mkdirSync(join(folder, path, '..'), { recursive: true });
  writeFileSync(join(folder, path), `#!/bin/sh\necho '${version}'\n`);
  chmodSync(join(folder, path), 0o755);
  return join(folder, path);
}

test('a program is found with its version, in the first folder that has it', () => {
  const first = put('a/consul', 'Consul v1.15.4\nRevision 5');
  put('b/consul', 'Consul v9.9.9');
  const { consul } = findPrograms([join(folder, 'a'), join(folder, 'b')]);
  expect(consul).toEqual({ command: [first], version: '1.15.4', standin: false });
});

test('a stand-in is used only where the program is not found', () => {
  const standin = put('a/services-standin', '');
  expect(findPrograms([join(folder, 'a')]).tempo).toEqual({ command: [standin, 'tempo'], standin: true });
  put('b/tempo', 'tempo, version 3.1.0');
  expect(findPrograms([join(folder, 'a'), join(folder, 'b')]).tempo).toMatchObject({ standin: false, version: '3.1.0' });
});

test('a program that fails to print its version is named', () => {
  put('a/consul', '');
  writeFileSync(join(folder, 'a/consul'), '#!/bin/sh\nexit 1\n');
  expect(() => findPrograms([join(folder, 'a')])).toThrow(/a\/consul version failed: is it consul for this machine\?$/);
});

test('a program of a Python environment needs the whole environment', () => {
  put('venv/bin/celery', '5.6.3');
  mkdirSync(join(folder, 'venv/lib'));
  const { celery } = findPrograms([join(folder, 'venv/bin')]);
  expect(foldersOf(celery ? { celery } : {})).toEqual([join(folder, 'venv')]);
});

test('every container without a command has an image whose entrypoint is known', () => {
  const { platform } = build(profiles.prod);
  const containers = platform.flatMap((manifest) => podOf(manifest)?.containers ?? []);
  const started = containers.filter(({ command, args = [] }) => !command && args[0] !== 'sh' && args[0] !== 'arangod');
  expect(started.length).toBeGreaterThan(5);
  for (const { image } of started) expect(programNames).toContain(entrypointOf(image));
  expect(() => entrypointOf('example.org/other:1')).toThrow(/^example.org\/other:1: add the program that its entrypoint starts to/);
});
