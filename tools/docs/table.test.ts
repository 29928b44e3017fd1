import { expect, test } from 'vitest';
import { code, cores, size, table } from './table.ts';

test('a table has a head, and bars in cells are escaped', () => {
  expect(table(['a', 'b'], [['x | y', '']])).toBe('| a | b |\n| --- | --- |\n| x \\| y |  |');
});

test('amounts are formatted for readers', () => {
  expect([size(96), size(2048), size(0)]).toEqual(['96 MiB', '2 GiB', '0 MiB']);
  expect(cores(0.1 + 0.2)).toBe('0.3');
  expect([code('x'), code('')]).toEqual(['`x`', '']);
});
