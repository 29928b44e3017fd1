import { expect, test } from 'vitest';
import { Cluster } from './cluster.ts';
import { most, page, STANDIN, sizeOf, usage } from './measure.ts';

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

const idle = new Map([
  ['tempo', { memory: mebibytes(40), cpu: 0.001 }],
  ['redis', { memory: mebibytes(12), cpu: 0.005 }],
]);
const load = new Map([
  ['tempo', { memory: mebibytes(80), cpu: 0.02 }],
  ['redis', { memory: mebibytes(16), cpu: 0.006 }],
]);
const starts = [{ name: 'tempo', seconds: 12 }];
const rowOf = (programs: ReadonlyMap<string, string>, name: string) =>
  usage(cluster, starts, idle, load, programs).find(([first]) => first === name);

test('a workload is shown with what it reserves, what it used, and how far that is from its limit', () => {
  const programs = new Map([
    ['tempo', '3.1.0'],
    ['redis', '7.0.15'],
  ]);
  const [name, program, ready, , still, busy, limit, idleMemory, busyMemory, times] = rowOf(programs, 'tempo') ?? [];
  expect([name, program, ready, still, busy, idleMemory, busyMemory]).toEqual([
    'tempo',
    '3.1.0',
    '12 s',
    '1 m',
    '20 m',
    '40 MiB',
    '80 MiB',
  ]);
  expect(times).toBe(`${(Number.parseInt(limit ?? '', 10) / 80).toFixed(1)} ×`);
  expect(rowOf(programs, 'all')).toEqual(['all', 'the real programs', '12 s', '', '6 m', '26 m', '', '52 MiB', '96 MiB', '']);
});

test('what a stand-in used is shown nowhere: not in its row, not in the sum, not on the page', () => {
  const programs = new Map([
    ['tempo', STANDIN],
    ['redis', '7.0.15'],
  ]);
  expect(rowOf(programs, 'tempo')).toEqual(['tempo', 'stand-in', '12 s', expect.any(String), '–', '–', expect.any(String), '–', '–', '–']);
  expect(rowOf(programs, 'all')).toEqual(['all', 'the real programs', '12 s', '', '5 m', '6 m', '', '12 MiB', '16 MiB', '']);
  const used = usage(cluster, starts, idle, load, programs);
  const text = page({ date: '2026-01-01', where: 'here', size: '1 object', images: [], used, proven: [['a']], programs });
  expect(text).toContain('Stand-ins answered for tempo:');
  expect(text).not.toMatch(/\b(40|80|52|96) MiB/);
});

test('the size is that of the files which are applied', () => {
  expect(sizeOf(cluster)).toMatch(/^\d\d objects, \d+ KiB of YAML$/);
});
