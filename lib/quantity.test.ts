import { Size } from 'cdk8s';
import { Cpu } from 'cdk8s-plus-27';
import { expect, test } from 'vitest';
import { bytes, cores, millis } from './quantity.ts';

test('a size is written in the largest unit that it is a whole number of', () => {
  expect(bytes(Size.gibibytes(4)).value).toBe('4Gi');
  expect(bytes(Size.mebibytes(1024)).value).toBe('1Gi');
  expect(bytes(Size.mebibytes(1536)).value).toBe('1536Mi');
});

test('cores are read as they are written', () => {
  expect(cores(2000).value).toBe('2');
  expect(cores(250).value).toBe('250m');
  expect(millis(Cpu.millis(250))).toBe(250);
  expect(millis(Cpu.units(2))).toBe(2000);
});
