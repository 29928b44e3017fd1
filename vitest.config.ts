import { defineConfig } from 'vitest/config';

export default defineConfig({
  // The native files that charts ship, as text, as run.js gives them.
  plugins: [{ name: 'text', transform: (code, id) => (/\.(py|sh)$/.test(id) ? `export default ${JSON.stringify(code)}` : undefined) }],
  test: {
    // Some tests synthesize in a process of their own, which takes long on a busy machine.
    testTimeout: 30_000,
    // The default leaves one core free: on a machine with two cores that is half the speed.
    maxWorkers: '100%',
    resolveSnapshotPath: (path, extension) => path.replace(/[^/]+$/, (file) => `__snapshots__/${file}${extension}`),
  },
});
