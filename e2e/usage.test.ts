import { expect, test } from 'vitest';
import { Cluster } from './cluster.ts';
import { page, peak, STANDIN, sizeOf, usageTable } from './usage.ts';

const cluster = new Cluster('nowhere', 'dev');
const mebibytes = (number: number) => number * 2 ** 20;

test('the peak of several samples is the maximum of each resource', () => {
  const first = new Map([['redis', { memory: 10, cpu: 2 }]]);
  const second = new Map([
    ['redis', { memory: 5, cpu: 3 }],
    ['tempo', { memory: 7, cpu: 1 }],
  ]);
  expect(peak([first, second])).toEqual(
    new Map([
      ['redis', { memory: 10, cpu: 3 }],
      ['tempo', { memory: 7, cpu: 1 }],
    ]),
  );
});

const idle = new Map([
  ['tempo', { memory: mebibytes(40), cpu: 0.001 }],
  ['redis', { memory: mebibytes(12), cpu: 0.005 }],
]);
const load = new Map([
  ['tempo', { memory: mebibytes(80), cpu: 0.02 }],
  ['redis', { memory: mebibytes(16), cpu: 0.006 }],
]);
const tableOf = (programs: ReadonlyMap<string, string>) => usageTable(cluster, [{ name: 'tempo', seconds: 12 }], idle, load, programs);
const rowOf = (programs: ReadonlyMap<string, string>, name: string) => tableOf(programs).find(([first]) => first === name);

test('a row has the requests, the usage, and the ratio of the limit to the peak', () => {
  const programs = new Map([
    ['tempo', '3.1.0'],
    ['redis', '7.0.15'],
  ]);
  const [name, program, ready, , idleCpu, busyCpu, limit, idleMemory, busyMemory, ratio] = rowOf(programs, 'tempo') ?? [];
  expect([name, program, ready, idleCpu, busyCpu, idleMemory, busyMemory]).toEqual([
    ...['tempo', '3.1.0', '12 s', '1 m', '20 m', '40 MiB', '80 MiB'],
  ]);
  expect(ratio).toBe(`${(Number.parseInt(limit ?? '', 10) / 80).toFixed(1)} ×`);
  expect(rowOf(programs, 'all')).toEqual(['all', 'the real programs', '12 s', '', '6 m', '26 m', '', '52 MiB', '96 MiB', '']);
});

test('the usage of a stand-in appears neither in its row, nor in the sum, nor on the page', () => {
  const programs = new Map([
    ['tempo', STANDIN],
    ['redis', '7.0.15'],
  ]);
  expect(rowOf(programs, 'tempo')).toEqual(['tempo', 'stand-in', '12 s', expect.any(String), '–', '–', expect.any(String), '–', '–', '–']);
  expect(rowOf(programs, 'all')).toEqual(['all', 'the real programs', '12 s', '', '5 m', '6 m', '', '12 MiB', '16 MiB', '']);
  const usage = tableOf(programs);
  const text = page({ date: '2026-01-01', where: 'here', size: '1 object', images: [], usage, proofs: [['a']], programs });
  expect(text).toContain('Stand-ins replaced tempo.');
  expect(text).not.toMatch(/\b(40|80|52|96) MiB/);
});

test('the size is that of the applied objects', () => {
  expect(sizeOf(cluster)).toMatch(/^\d\d objects, \d+ KiB of YAML$/);
});
