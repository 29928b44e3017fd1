import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { configDefaults, defineConfig } from 'vitest/config';

// The other tests share their modules: importing cdk8s for each file would take half of the time.
const mocking = ['charts', 'cli']
  .flatMap((folder) => readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)))
  .filter((path) => path.endsWith('.test.ts') && /vi\.(m|doM)ock\(/.test(readFileSync(path, 'utf8')));

export default defineConfig({
  // Text files that charts ship are imported as strings, as in run.js.
  plugins: [{ name: 'text', transform: (code, id) => (/\.(py|sh)$/.test(id) ? `export default ${JSON.stringify(code)}` : undefined) }],
  test: {
    // Modules and their process are shared: a variable that a test sets must not reach the next one.
    unstubEnvs: true,
    // Some tests start programs, which takes long on a busy machine.
    testTimeout: 120_000,
    // By default Vitest leaves one core free.
    maxWorkers: '100%',
    resolveSnapshotPath: (path, extension) => path.replace(/[^/]+$/, (file) => `__snapshots__/${file}${extension}`),
    projects: [
      { extends: true, test: { name: 'shared', isolate: false, exclude: [...configDefaults.exclude, ...mocking] } },
      { extends: true, test: { name: 'mocking', include: mocking } },
    ],
  },
});
