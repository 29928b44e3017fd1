import { afterEach, expect, test, vi } from 'vitest';
import { ask, Live, table } from './output.ts';

const printed = vi.spyOn(console, 'log').mockImplementation(() => {});
afterEach(() => printed.mockClear());

/** What was printed, without the time before each line. */
const lines = () => printed.mock.calls.map(([line]) => String(line).replace(/^\d\d:\d\d:\d\d /, ''));

test('piped, a line is printed when it changes, and what moves with every second is not', () => {
  const live = new Live(false, false);
  const show = (text: string, moving: string) => live.show(new Map([['redis', { text, moving }]]));
  show('redis 0/1', ' 1 s');
  show('redis 0/1', ' 2 s');
  show('redis 1/1', ' 3 s');
  live.done();
  expect(lines()).toEqual(['redis 0/1', 'redis 1/1']);
  expect(String(printed.mock.calls[0]?.[0])).toMatch(/^\d\d:\d\d:\d\d redis 0\/1$/);
});

test('several lines that are said at once have each their time', () => {
  new Live(false, false).say('one\n\n  two');
  expect(lines()).toEqual(['one', 'two']);
});

test('for a program nothing is printed but the answer', () => {
  const live = new Live(true, false);
  live.say('one');
  live.show(new Map([['a', { text: 'two' }]]));
  expect(lines()).toEqual([]);
});

test('columns are as wide as their widest cell, colours left out', () => {
  expect(
    table([
      ['a', 'bb'],
      ['\u001b[31mccc\u001b[39m', 'd'],
    ]),
  ).toBe('a    bb\n\u001b[31mccc\u001b[39m  d');
});

test('where nobody can answer, a question is refused with what to do instead', async () => {
  Object.defineProperty(process.stdin, 'isTTY', { value: false, configurable: true });
  await expect(ask('Go on?', 'name it: --context x')).rejects.toThrow('name it: --context x');
});
