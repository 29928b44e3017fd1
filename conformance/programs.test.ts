import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { images } from '../settings/images.ts';
import { entrypointOf, findPrograms, foldersOf } from './programs.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'programs-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A program that prints that as its version. */
function put(path: string, version: string): string {
  mkdirSync(join(folder, path, '..'), { recursive: true });
  writeFileSync(join(folder, path), `#!/bin/sh\necho '${version}'\n`);
  chmodSync(join(folder, path), 0o755);
  return join(folder, path);
}

test('a program is found with its version, the first folder first', () => {
  const first = put('a/consul', 'Consul v1.15.4\nRevision 5');
  put('b/consul', 'Consul v9.9.9');
  const { consul } = findPrograms([join(folder, 'a'), join(folder, 'b')]);
  expect(consul).toEqual({ command: [first], version: '1.15.4', standin: false });
});

test('a stand-in is named so, and only taken where the program is not found', () => {
  const standin = put('a/services-standin', '');
  expect(findPrograms([join(folder, 'a')]).tempo).toEqual({ command: [standin, 'tempo'], standin: true });
  put('b/tempo', 'tempo, version 3.1.0');
  expect(findPrograms([join(folder, 'a'), join(folder, 'b')]).tempo).toMatchObject({ standin: false, version: '3.1.0' });
});

test('a program that does not run here is refused by its path', () => {
  put('a/consul', '');
  writeFileSync(join(folder, 'a/consul'), '#!/bin/sh\nexit 1\n');
  expect(() => findPrograms([join(folder, 'a')])).toThrow(/a\/consul version failed: is it consul for this machine\?$/);
});

test('a program of a Python environment is seen with the whole of it', () => {
  put('venv/bin/celery', '5.6.3');
  mkdirSync(join(folder, 'venv/lib'));
  const { celery } = findPrograms([join(folder, 'venv/bin')]);
  expect(foldersOf(celery ? { celery } : {})).toEqual([join(folder, 'venv')]);
});

test('every image without a command in its manifest has an entrypoint', () => {
  const named = ['redisExporter', 'tempo', 'loki', 'prometheus', 'otelCollector', 'celeryExporter', 'grafana'] as const;
  expect(named.map((name) => entrypointOf(images[name]))).toEqual([
    'redis_exporter',
    'tempo',
    'loki',
    'prometheus',
    'otelcol-contrib',
    'celery-exporter',
    'grafana',
  ]);
  expect(() => entrypointOf('example.org/other:1')).toThrow(/^example.org\/other:1: which program its entrypoint starts is not in/);
});
