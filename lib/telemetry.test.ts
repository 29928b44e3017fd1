import { Duration } from 'cdk8s';
import { expect, test } from 'vitest';
import { durationBuckets } from './telemetry.ts';

test('duration buckets range from the first bound to the longest task', () => {
  expect(durationBuckets(0.05, Duration.minutes(2))).toEqual([0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120]);
  expect(durationBuckets(0.005, Duration.seconds(45)).slice(-3)).toEqual([10, 30, 45]);
  expect(durationBuckets(0.005, Duration.hours(3)).at(-1)).toBe(10_800);
});
