import { Duration, Size } from 'cdk8s';
import { expect, test } from 'vitest';
import { differences, settingsOf, values } from './settings.ts';

const sources = {
  'a.ts': `
    interface Common { /** Reserved. */ readonly memory: Size }
    /** Either or. */
    export type Pool = Common & ({ readonly replicas: number; readonly disk?: undefined } | { /** Of the queue. @default - none */ readonly disk?: Size });
    export interface Settings {
      /** The pools. */
      readonly pools: readonly [Pool, ...Pool[]];
      readonly name?: 'a' | 'b';
    }`,
};

test('settings are read from the types, with their comments and defaults', () => {
  expect(settingsOf(sources, 'Settings')).toEqual([
    { path: 'pools', type: '[Pool, ...Pool[]]', required: true, comment: 'The pools.', fallback: '' },
    { path: 'pools[].memory', type: 'Size', required: true, comment: 'Reserved.', fallback: '' },
    { path: 'pools[].replicas', type: 'number', required: true, comment: '', fallback: '' },
    { path: 'pools[].disk', type: 'Size', required: false, comment: 'Of the queue.', fallback: 'none' },
    { path: 'name', type: "'a' | 'b'", required: false, comment: '', fallback: '' },
  ]);
});

test('an interface that no source declares is an error', () => {
  expect(() => settingsOf(sources, 'Nothing')).toThrow('no source declares Nothing');
});

test('values are formatted for readers', () => {
  expect([...values({ a: { b: Size.gibibytes(2) }, c: [{ d: Duration.days(2) }], e: ['x', 'y'] })]).toEqual([
    ['a.b', '2 GiB'],
    ['c[0].d', '2 days'],
    ['e', 'x, y'],
  ]);
});

test('a difference is a sentence, and a part that only one profile has is reported once', () => {
  const dev = { same: 1, size: Size.mebibytes(96), debug: 'basic' };
  const prod = { same: 1, size: Size.gibibytes(2), cache: { size: Size.gibibytes(1), cpu: 1 } };
  expect(differences(['dev', dev], ['prod', prod])).toEqual([
    '`size` is 96 MiB in dev and 2 GiB in prod.',
    '`debug` is set in dev only: basic.',
    '`cache` is set in prod only.',
  ]);
});
