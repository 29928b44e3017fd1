import { Size } from 'cdk8s';
import { describe, expect, test } from 'vitest';
import { memory } from './memory.ts';

/** ArangoDB 3.11's default caches in MiB, from its option reference. */
function defaultCaches(total: number): number {
  const beyond = total - 2048;
  if (total > 4096) return beyond * (0.3 + 0.4 + 0.25);
  const blocks = total >= 2048 ? 512 : total >= 1024 ? 256 : 128;
  return blocks + (total >= 1024 ? 512 : 256) + 256;
}

/** The options' values in MiB. */
function optionsFor(total: number): Record<string, number> {
  const pairs = memory(Size.mebibytes(total)).options.map((option) => /^--([\w.-]+)=(\w+)$/.exec(option)?.slice(1) ?? []);
  return Object.fromEntries(pairs.map(([name = '', value = '']) => [name, Number.parseInt(value, 10)]));
}

describe.each([1, 2, 8, 32].map((gibibytes) => [gibibytes, gibibytes * 1024] as const))('%d GiB', (_, total) => {
  const options = optionsFor(total);
  const of = (name: string) => options[name] ?? Number.NaN;
  const caches = of('rocksdb.block-cache-size') + of('rocksdb.total-write-buffer-size') + of('cache.size');
  const javascript = of('javascript.v8-contexts') * of('javascript.v8-max-heap');

  test('caches, JavaScript and queries together leave 30 % of the limit', () => {
    expect(caches + javascript + of('query.global-memory-limit')).toBeLessThanOrEqual(total * 0.7);
    expect(caches + javascript + of('query.global-memory-limit')).toBeGreaterThan(total * 0.7 - 8);
  });

  test('the caches are smaller than the defaults', () => expect(caches).toBeLessThan(defaultCaches(total)));

  test('arangod sizes the remaining options by the usable memory, not by the limit', () => {
    expect(memory(Size.mebibytes(total)).detected).toBe(`${Math.floor(total * 0.7)}MiB`);
  });

  test('arangod accepts the sizes', () => {
    expect(of('rocksdb.total-write-buffer-size')).toBeGreaterThanOrEqual(64);
    expect(of('rocksdb.write-buffer-size')).toBeGreaterThanOrEqual(1);
    expect(of('rocksdb.write-buffer-size')).toBeLessThanOrEqual(of('rocksdb.total-write-buffer-size') / 10);
    expect(of('query.memory-limit')).toBeLessThan(of('query.global-memory-limit'));
    expect(of('javascript.v8-max-heap')).toBeGreaterThanOrEqual(256);
  });
});

test('JavaScript gets at most the documented 2 x 512 MiB', () => {
  expect(optionsFor(32 * 1024)).toMatchObject({ 'javascript.v8-contexts': 2, 'javascript.v8-max-heap': 512 });
  expect(optionsFor(1024)).toMatchObject({ 'javascript.v8-contexts': 1, 'javascript.v8-max-heap': 256 });
});
