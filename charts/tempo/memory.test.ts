import { Size } from 'cdk8s';
import { expect, test } from 'vitest';
import { tempoMemory } from './memory.ts';

test.each([
  [256, { liveTraces: 32 * 2 ** 20, rowGroup: 12 * 2 ** 20, queries: 2 }],
  [448, { liveTraces: 56 * 2 ** 20, rowGroup: 22 * 2 ** 20, queries: 4 }],
  // Tempo's defaults.
  [4096, { liveTraces: 250_000_000, rowGroup: 100_000_000, queries: 20 }],
])('a container of %i MiB', (mebibytes, expected) => {
  expect(tempoMemory(Size.mebibytes(mebibytes))).toEqual(expected);
});

test('live traces and a compaction of four row groups use less than half of any container', () => {
  for (const mebibytes of [256, 448, 1024, 2048, 8192]) {
    const { liveTraces, rowGroup } = tempoMemory(Size.mebibytes(mebibytes));
    expect(liveTraces + 4 * rowGroup).toBeLessThan(mebibytes * 2 ** 19);
  }
});
