import { Size } from 'cdk8s';
import { expect, test } from 'vitest';
import { containerMemory } from './memory.ts';

const limit = (maxmemory: number, saves: boolean) => containerMemory(Size.mebibytes(maxmemory), saves).toMebibytes();

test('a Redis that saves has memory for a full copy', () => {
  expect(limit(96, true)).toBe(96 + 96 + 32);
  expect(limit(2048, true)).toBe(2048 + 2048 + 32);
});

test('a cache, which never forks, has 25 % more for fragmentation', () => {
  expect(limit(2048, false)).toBe(2048 + 512 + 32);
  expect(limit(33, false)).toBe(33 + 9 + 32);
});
