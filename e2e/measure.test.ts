import { expect, test } from 'vitest';
import { Cluster } from './cluster.ts';
import { most, sizeOf, usage } from './measure.ts';

const cluster = new Cluster('nowhere', 'dev');
const mebibytes = (number: number) => number * 2 ** 20;

test('of several moments the highest of each is kept', () => {
  const one = new Map([['redis', { memory: 10, cpu: 2 }]]);
  const two = new Map([
    ['redis', { memory: 5, cpu: 3 }],
    ['tempo', { memory: 7, cpu: 1 }],
  ]);
  expect(most([one, two])).toEqual(
    new Map([
      ['redis', { memory: 10, cpu: 3 }],
      ['tempo', { memory: 7, cpu: 1 }],
    ]),
  );
});

test('a workload is shown with what it reserves, what it used, and how far that is from its limit', () => {
  const idle = new Map([['tempo', { memory: mebibytes(40), cpu: 0.001 }]]);
  const load = new Map([['tempo', { memory: mebibytes(80), cpu: 0.02 }]]);
  const [, row, all] = usage(cluster, [{ name: 'tempo', seconds: 12 }], idle, load);
  expect(row).toEqual(['tempo', '12 s', '100 m', '1 m', '20 m', '320 MiB', '40 MiB', '80 MiB', '4.0 ×']);
  expect(all).toEqual(['all', '12 s', '', '1 m', '20 m', '', '40 MiB', '80 MiB', '']);
});

test('the size is that of the files which are applied', () => {
  expect(sizeOf(cluster)).toMatch(/^\d\d objects, \d+ KiB of YAML$/);
});
