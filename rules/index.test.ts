import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { rules } from './index.ts';
import { findings } from './testing.ts';

test('a valid platform has no findings', () => {
  expect(findings(() => undefined)).toEqual([]);
});

test('every rule has a test', () => {
  const files = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.test.ts'));
  const tested = files.flatMap((name) => [...readFileSync(join(import.meta.dirname, name), 'utf8').matchAll(/^testRule\('(\w+)'/gm)]);
  expect(tested.map(([, rule]) => rule).sort()).toEqual(Object.keys(rules).sort());
});
