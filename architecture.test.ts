import { readdirSync, readFileSync } from 'node:fs';
import { join, normalize } from 'node:path';
import { expect, test } from 'vitest';

const root = import.meta.dirname;

/** The folders and files that a source may import from besides its own folder. */
const layers: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  rules: ['lib'],
  charts: ['lib'],
  settings: ['charts'],
  'build.ts': ['charts', 'lib', 'rules'],
  'main.ts': ['build.ts', 'lib', 'settings'],
  cli: ['build.ts', 'charts', 'lib', 'rules', 'settings'],
  tools: ['build.ts', 'charts', 'lib', 'rules', 'settings'],
  conformance: ['build.ts', 'charts', 'cli', 'lib', 'rules', 'settings'],
  e2e: ['build.ts', 'charts', 'cli', 'lib', 'rules', 'settings'],
};

interface Import {
  readonly path: string;
  readonly isType: boolean;
}

/** The sources except tests, with their imports from the project. */
const sources = Object.keys(layers)
  .flatMap((layer) =>
    layer.endsWith('.ts')
      ? [layer]
      : readdirSync(join(root, layer), { recursive: true, encoding: 'utf8' }).map((name) => join(layer, name)),
  )
  .filter((path) => /(?<!\.test|\.d)\.ts$/.test(path))
  .map((path) => {
    const text = readFileSync(join(root, path), 'utf8');
    const found = [...text.matchAll(/^(?:import|export) (type )?[^;]*?from '([^']+)'/gm)];
    const imports = found.flatMap(([, type, from = '']): Import[] =>
      from.startsWith('.') ? [{ path: normalize(join(path, '..', from)), isType: type !== undefined }] : [],
    );
    return { path, layer: path.split('/')[0] ?? '', text, imports, packages: found.map(([, , from = '']) => from) };
  });

test('no source imports from a layer above', () => {
  for (const { path, layer, imports } of sources) {
    const allowed = [layer, ...(layers[layer] ?? []), 'package.json', 'imports'];
    expect(
      imports.map((each) => each.path).filter((target) => !allowed.includes(target.split('/')[0] ?? '')),
      path,
    ).toEqual([]);
  }
});

test('no sources import one another in a circle', () => {
  let edges = sources.flatMap(({ path, imports }) => imports.map((target) => ({ from: path, to: target.path })));
  // An edge of a circle ends where another one starts, and starts where another one ends.
  for (let size = 0; size !== edges.length; ) {
    size = edges.length;
    edges = edges.filter(({ from, to }) => edges.some((next) => next.from === to) && edges.some((last) => last.to === from));
  }
  expect(edges).toEqual([]);
});

test('charts import only types from one another, and settings only types from charts', () => {
  const charts = sources.filter(({ text }) => / extends Chart /.test(text)).map(({ path }) => path);
  expect(charts).toContain('charts/redis.ts');
  for (const { path, layer, imports } of sources.filter(({ path }) => path !== 'charts/index.ts')) {
    const values = imports.filter((target) => !target.isType).map((target) => target.path);
    expect(
      values.filter((target) => charts.includes(target) || (layer === 'settings' && target.startsWith('charts/'))),
      path,
    ).toEqual([]);
  }
});

test('manifests do not depend on the process, the clock, the disk or chance', () => {
  for (const { path, text, packages } of sources.filter(({ layer }) => /^(lib|charts|rules|settings|build\.ts)$/.test(layer))) {
    expect(text.match(/\bprocess\.[a-z]|Date\.now|new Date|Math\.random|randomBytes|randomUUID/)?.[0], path).toBeUndefined();
    expect(
      packages.filter((name) => /^node:(?!crypto$|path$)/.test(name)),
      path,
    ).toEqual([]);
  }
});
