import { afterEach, expect, test, vi } from 'vitest';
import { ask, Live, table } from './output.ts';

const printed = vi.spyOn(console, 'log').mockImplementation(() => {});
afterEach(() => printed.mockClear());

/** The printed lines, without their time. */
const lines = () => printed.mock.calls.map(([line]) => String(line).replace(/^\d\d:\d\d:\d\d /, ''));

test('a pipe gets a line when it changes, without the part that changes every second', () => {
  const live = new Live(false, false);
  const show = (text: string, moving: string) => live.update(new Map([['redis', { text, moving }]]));
  show('redis 0/1', ' 1 s');
  show('redis 0/1', ' 2 s');
  show('redis 1/1', ' 3 s');
  live.done();
  expect(lines()).toEqual(['redis 0/1', 'redis 1/1']);
  expect(String(printed.mock.calls[0]?.[0])).toMatch(/^\d\d:\d\d:\d\d redis 0\/1$/);
});

test('a pipe gets the time before each of several lines', () => {
  new Live(false, false).log('one\n\n  two');
  expect(lines()).toEqual(['one', 'two']);
});

test('nothing is printed for a program that reads JSON', () => {
  const live = new Live(true, false);
  live.log('one');
  live.update(new Map([['a', { text: 'two' }]]));
  expect(lines()).toEqual([]);
});

test('columns are as wide as their widest cell without colours', () => {
  expect(
    table([
      ['a', 'bb'],
      ['\u001b[31mccc\u001b[39m', 'd'],
    ]),
  ).toBe('a    bb\n\u001b[31mccc\u001b[39m  d');
});

test('a question without a terminal fails with the alternative', async () => {
  Object.defineProperty(process.stdin, 'isTTY', { value: false, configurable: true });
  await expect(ask('Go on?', 'name it: --context x')).rejects.toThrow('name it: --context x');
});
