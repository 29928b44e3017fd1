// Runs a TypeScript program: `node run.js main.ts [ARGUMENT...]`.
// Bundling all of it and running the bundle takes less time than loading cdk8s-plus file by file, and needs no loader.
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { buildSync } from 'esbuild';

const [entry] = process.argv.splice(2, 1);
const { outputFiles } = buildSync({
  entryPoints: [entry],
  bundle: true,
  write: false,
  platform: 'node',
  format: 'cjs',
  loader: { '.py': 'text', '.sh': 'text' },
});
const module = { exports: {} };
new Function('require', 'module', 'exports', outputFiles[0].text)(createRequire(resolve(entry)), module, module.exports);
