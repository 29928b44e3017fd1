import { setTimeout as pause } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import { eventually, run, sampleDuring } from './cluster.ts';

test('eventually ignores failures until the check returns a value', async () => {
  const check = vi.fn(async () => 'ready');
  check.mockRejectedValueOnce(new Error('not yet'));
  expect(await eventually(check, 5, 'it is ready')).toBe('ready');
});

test('eventually names the condition that was not met', async () => {
  await expect(eventually(async () => false, 0, 'it is ready')).rejects.toThrow('not within 0 s: it is ready');
});

test('sampling ends with the action, and reports the failures of both', async () => {
  const sample = vi.fn(async () => 1);
  expect(await sampleDuring(sample, () => pause(600))).toEqual([1, 1]);
  const failure = () => Promise.reject(new Error('failed'));
  await expect(sampleDuring(sample, failure)).rejects.toThrow('failed');
  await expect(sampleDuring(failure, () => pause(10))).rejects.toThrow('failed');
  const { length } = sample.mock.calls;
  await pause(1100);
  expect(sample.mock.calls.length).toBe(length);
});

test('a program that fails throws with its whole output', async () => {
  await expect(run('sh', ['-c', 'echo first; echo second >&2; exit 3'])).rejects.toThrow(/exit code 3[\s\S]*first\nsecond/);
});
