// Runs a TypeScript program: `node run.js main.ts [ARGUMENT...]`.
// The program is bundled in memory, 20 ms. Its dependencies, of which cdk8s-plus alone takes 0.2 s to load from its files, are
// bundled once for each lock file and kept with V8's compiled code: 20 ms. Loaders such as tsx save neither.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire, SourceMap } from 'node:module';
import { join, relative, resolve } from 'node:path';
import { Script } from 'node:vm';
import { buildSync } from 'esbuild';

const root = import.meta.dirname;
const dependencies = ['cdk8s', 'cdk8s-plus-27', 'constructs', 'yaml'];
const bundle = { bundle: true, write: false, platform: 'node', format: 'cjs', loader: { '.py': 'text', '.sh': 'text' } };
const [entry] = process.argv.splice(2, 1);
const nodeRequire = createRequire(resolve(entry));

/** The exports of a CommonJS text. */
function evaluate(script, require) {
  const module = { exports: {} };
  script.runInThisContext()(require, module, module.exports);
  return module.exports;
}

/** The dependencies' exports, by name. */
function load() {
  const key = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .update(process.version)
    .digest('hex');
  const kept = join(root, 'node_modules/.cache/platform', key);
  if (!existsSync(`${kept}.cjs`)) {
    const contents = `module.exports = {${dependencies.map((name) => `'${name}': require('${name}')`)}}`;
    const [{ text }] = buildSync({ ...bundle, stdin: { contents, resolveDir: root } }).outputFiles;
    const script = new Script(wrap(text));
    const exports = evaluate(script, nodeRequire);
    // At the end, when the functions that the program uses have been compiled.
    process.once('exit', () => {
      keep(`${kept}.code`, script.createCachedData());
      keep(`${kept}.cjs`, text);
    });
    return exports;
  }
  const script = new Script(wrap(readFileSync(`${kept}.cjs`, 'utf8')), { cachedData: readFileSync(`${kept}.code`) });
  return evaluate(script, nodeRequire);
}

function wrap(text) {
  return `(function (require, module, exports) {${text}\n})`;
}

/** Writes a file as a whole or not at all: two runs may be at it, and a folder that cannot be written only costs time. */
function keep(path, content) {
  try {
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(`${path}.${process.pid}`, content);
    renameSync(`${path}.${process.pid}`, path);
  } catch {}
}

/** Where in the sources a line of the bundle comes from: `settings/index.ts:62`. */
function origin(options, stack) {
  const [, line, column] = /program\.cjs:(\d+):(\d+)/.exec(stack) ?? [];
  if (!line) return undefined;
  const [map] = buildSync({ ...options, sourcemap: 'external', outdir: root }).outputFiles;
  const { originalSource, originalLine } = new SourceMap(JSON.parse(map.text)).findEntry(line - 1, column - 1);
  return originalSource && `${relative(root, resolve(root, originalSource))}:${originalLine + 1}`;
}

const loaded = load();
const options = { ...bundle, entryPoints: [resolve(entry)], packages: 'external' };
const [{ text }] = buildSync(options).outputFiles;
try {
  evaluate(new Script(wrap(text), { filename: 'program.cjs' }), (name) => loaded[name] ?? nodeRequire(name));
} catch (error) {
  // What is wrong, and where it was written: the rest of the stack is the machinery's.
  const where = origin(options, error.stack);
  console.error(`${where ? `${where}: ` : ''}${error.message}`);
  process.exitCode = 1;
}
