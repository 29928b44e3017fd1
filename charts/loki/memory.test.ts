import { Size } from 'cdk8s';
import { expect, test } from 'vitest';
import { lokiMemory } from './memory.ts';

test.each([
  [320, { replay: 160, chunkCache: 16, resultCache: 8 }],
  [2048, { replay: 1024, chunkCache: 100, resultCache: 51 }],
  [8192, { replay: 4096, chunkCache: 100, resultCache: 100 }],
])('a container of %i MiB', (mebibytes, expected) => {
  expect(lokiMemory(Size.mebibytes(mebibytes))).toEqual(expected);
});

test('the caches use less than a fifth of any container', () => {
  for (const mebibytes of [256, 320, 1024, 2048, 8192]) {
    const { chunkCache, resultCache } = lokiMemory(Size.mebibytes(mebibytes));
    expect(chunkCache + 5 * resultCache).toBeLessThan(mebibytes / 5);
  }
});
