import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { images } from './images.ts';

test('Renovate finds every image but the app, as its comment names it', () => {
  const root = join(import.meta.dirname, '..');
  const { customManagers } = JSON.parse(readFileSync(join(root, 'renovate.json'), 'utf8'));
  const source = readFileSync(join(root, 'settings/images.ts'), 'utf8');
  const found = [...source.matchAll(new RegExp(customManagers[0].matchStrings[0], 'g'))].map(
    ({ groups }) => `${groups?.depName}:${groups?.currentValue}`,
  );
  const { app: _, ...others } = images;
  expect(found).toEqual(Object.values(others));
});
