import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const root = import.meta.dirname;

/** The sources of a folder without its tests, by path, with what each imports. */
function sources(folder: string): { path: string; text: string; imports: string[] }[] {
  const found = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).filter((name) => /(?<!\.test|\.d)\.ts$/.test(name));
  return found.map((name) => {
    const text = readFileSync(join(root, folder, name), 'utf8');
    const imports = [...text.matchAll(/^(?:import|export) [^;]*? from '([^']+)'/gm)].map(([, from = '']) => from);
    return { path: join(folder, name), text, imports };
  });
}

const charts = readdirSync(join(root, 'charts')).filter((name) => /(?<!\.test)\.ts$/.test(name) && name !== 'index.ts');

test('charts know one another by what they are given: only charts/index.ts imports them', () => {
  const importers = [...sources('charts'), ...sources('lib')].filter(({ path }) => path !== 'charts/index.ts');
  for (const { path, imports } of importers) {
    const chart = imports.find((from) => /^\.\.?\//.test(from) && charts.some((name) => join(path, '..', from) === `charts/${name}`));
    expect(chart, path).toBeUndefined();
  }
});

test('lib/ knows neither a chart nor a setting', () => {
  for (const { path, imports } of sources('lib'))
    expect(
      imports.filter((from) => /charts\/|settings\//.test(from)),
      path,
    ).toEqual([]);
});

test('charts know no profile', () => {
  for (const { path, imports } of sources('charts').filter(({ path }) => path !== 'charts/index.ts')) {
    expect(
      imports.filter((from) => /settings\//.test(from)),
      path,
    ).toEqual([]);
  }
});

test('nothing that makes manifests touches the process, the clock, the disk or chance', () => {
  for (const { path, text, imports } of ['charts', 'lib', 'settings'].flatMap(sources)) {
    expect(text.match(/\bprocess\.[a-z]|Date\.now|new Date|Math\.random|randomBytes|randomUUID/)?.[0], path).toBeUndefined();
    expect(
      imports.filter((from) => /^node:(?!crypto$)/.test(from)),
      path,
    ).toEqual([]);
  }
});
