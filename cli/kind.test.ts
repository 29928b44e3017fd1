import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createKind, loadIntoKind } from './kind.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tools-'));
  vi.stubEnv('PATH', folder);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

/** A tool that records its calls and ends like this. */
const tool = (name: string, end: string) =>
  writeFileSync(join(folder, name), `#!/bin/sh\necho "${name} $*" >>${folder}/calls\n${end}\n`, { mode: 0o755 });
const calls = () => readFileSync(join(folder, 'calls'), 'utf8');

test('the image is built from app/ and loaded into the nodes of the context', async () => {
  tool('docker', 'exit 0');
  tool('kind', 'exit 0');
  const lines: string[] = [];
  await loadIntoKind('docker.io/platform/celery-app:dev', 'kind-platform-dev', (line) => lines.push(line));
  expect(calls()).toBe(
    'docker build --quiet --tag platform/celery-app:dev app\nkind load docker-image platform/celery-app:dev --name platform-dev\n',
  );
  expect(lines).toEqual([
    'building platform/celery-app:dev from app/',
    'loading platform/celery-app:dev into the nodes of kind-platform-dev',
  ]);
});

test('a missing tool is named with what to do', async () => {
  await expect(createKind('platform-dev')).rejects.toThrow(
    'kind is not on PATH: install it, or create the cluster and load the image yourself',
  );
});

test('a tool that fails is named with its last line', async () => {
  tool('kind', 'echo "Creating" >&2; echo "ERROR: no container engine" >&2; exit 1');
  await expect(createKind('platform-dev')).rejects.toThrow(/^kind create failed: ERROR: no container engine$/);
  expect(calls()).toBe('kind create cluster --name platform-dev --wait 120s\n');
});
