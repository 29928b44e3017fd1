import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { profiles } from '../settings/index.ts';
import { run } from './cluster.ts';
import { override, withCopy } from './project.ts';

test('a copy of the project synthesizes dev with other settings', async () => {
  const { name } = profiles.dev.app;
  const manifest = await withCopy(async (project) => {
    override(project, ["app: { ...dev.app, name: 'other' }"]);
    await run(process.execPath, ['run.js', 'main.ts'], { cwd: project });
    return readFileSync(join(project, 'dist/dev/celery-worker.yaml'), 'utf8');
  });
  expect(manifest).toContain('service.name=other,');
  expect(manifest).not.toContain(`service.name=${name},`);
});
