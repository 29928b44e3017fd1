import { Size } from 'cdk8s';
import { Cpu } from 'cdk8s-plus-27';
import { expect, test } from 'vitest';
import { amountOf, bytes, cores, millis } from './quantity.ts';

test('a size is written in whole Gi where possible', () => {
  expect(bytes(Size.gibibytes(4)).value).toBe('4Gi');
  expect(bytes(Size.mebibytes(1024)).value).toBe('1Gi');
  expect(bytes(Size.mebibytes(1536)).value).toBe('1536Mi');
});

test('CPUs are converted to and from millicores', () => {
  expect(cores(2000).value).toBe('2');
  expect(cores(250).value).toBe('250m');
  expect(millis(Cpu.millis(250))).toBe(250);
  expect(millis(Cpu.units(2))).toBe(2000);
});

test('a quantity is parsed to a number of cores or bytes', () => {
  expect(amountOf('500m')).toBe(0.5);
  expect(amountOf('2')).toBe(2);
  expect(amountOf('8000000Ki')).toBe(8_192_000_000);
  expect(amountOf('1k')).toBe(1000);
  expect(amountOf('1Gi')).toBe(2 ** 30);
  expect(amountOf('1G')).toBe(1e9);
  expect(amountOf(undefined)).toBe(0);
  expect(amountOf('much')).toBeNaN();
});
