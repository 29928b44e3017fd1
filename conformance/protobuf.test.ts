import { expect, test } from 'vitest';
import { double, exported, fixed, framed, integer, part, partsOf, resourcesOf, snappy } from './protobuf.ts';

const hex = (bytes: Buffer) => bytes.toString('hex');

// The examples of https://protobuf.dev/programming-guides/encoding/.
test('writes what the description of the format shows', () => {
  expect(hex(integer(1, 150))).toBe('089601');
  expect(hex(part(2, 'testing'))).toBe('120774657374696e67');
  expect(hex(part(3, integer(1, 150)))).toBe('1a03089601');
});

test('writes numbers of 64 bits', () => {
  expect(hex(fixed(1, 1n))).toBe('090100000000000000');
  expect(hex(double(4, 1))).toBe('21000000000000f03f');
  expect(hex(integer(2, 2 ** 35))).toBe('10808080808001');
});

test('writes field numbers above 15 and long texts', () => {
  expect(hex(integer(16, 1))).toBe('800101');
  expect(hex(part(1, 'x'.repeat(300))).slice(0, 6)).toBe('0aac02');
});

test('reads the parts of a number, past all others', () => {
  const message = Buffer.concat([integer(1, 150), part(2, 'one'), fixed(2, 1n), part(3, 'other'), double(4, 1), part(2, 'x'.repeat(300))]);
  expect(partsOf(message, 2).map(String)).toEqual(['one', 'x'.repeat(300)]);
  expect(partsOf(message, 5)).toEqual([]);
});

test('refuses what it does not know', () => {
  expect(() => partsOf(Buffer.from([(1 << 3) | 3]), 1)).toThrow('a field of kind 3 is not known here');
});

test('wraps a message as gRPC and as snappy want it', () => {
  expect(hex(framed(Buffer.from('abc')))).toBe('0000000003616263');
  expect(hex(snappy(Buffer.from('abc')))).toBe('03fc02000000616263');
});

test('an export tells who sent it', () => {
  for (const signal of ['traces', 'logs', 'metrics'] as const) {
    expect(resourcesOf(exported(signal, 'shop'))).toEqual(['service.name=shop,k8s.pod.name=pod-of-shop']);
  }
});
