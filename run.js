// Runs a TypeScript program: `node run.js main.ts [ARGUMENT...]`.
// It bundles the program in memory, which takes 20 ms. It bundles the dependencies once for each lock file and caches them with V8's
// compiled code: loading them takes 20 ms instead of the 0.2 s that cdk8s-plus alone takes from its files. Loaders such as tsx do neither.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire, SourceMap } from 'node:module';
import { join, relative, resolve } from 'node:path';
import { Script } from 'node:vm';
import { buildSync } from 'esbuild';

const root = import.meta.dirname;
const bundle = { bundle: true, write: false, platform: 'node', format: 'cjs', loader: { '.py': 'text', '.sh': 'text' } };
const [entry] = process.argv.splice(2, 1);
const nodeRequire = createRequire(resolve(entry));

/** Evaluates a CommonJS script. @returns its exports */
function evaluate(script, require) {
  const module = { exports: {} };
  script.runInThisContext()(require, module, module.exports);
  return module.exports;
}

/** Loads the dependencies from the cache, or bundles them first. @returns their exports by name, each evaluated at its first use */
function loadDependencies() {
  const inputs = [join(root, 'package-lock.json'), import.meta.filename].map((path) => readFileSync(path));
  const key = createHash('sha256').update(Buffer.concat(inputs)).update(process.version).digest('hex');
  const cache = join(root, 'node_modules/.cache/platform', key);
  if (existsSync(`${cache}.cjs`)) {
    const options = { cachedData: readFileSync(`${cache}.code`) };
    return evaluate(new Script(wrap(readFileSync(`${cache}.cjs`, 'utf8')), options), nodeRequire);
  }
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const names = Object.keys(dependencies).filter((name) => name !== 'esbuild');
  const contents = `module.exports = {${names.map((name) => `get '${name}'() { return require('${name}') }`)}}`;
  const text = bundled(contents);
  const script = new Script(wrap(text));
  const exports = evaluate(script, nodeRequire);
  // The cache holds only compiled functions: evaluate every module now, and write the cache after the program has run.
  for (const name of names) exports[name];
  process.once('exit', () => {
    writeWhole(`${cache}.code`, script.createCachedData());
    writeWhole(`${cache}.cjs`, text);
  });
  return exports;
}

/** Bundles a script that requires packages. */
function bundled(contents) {
  try {
    return buildSync({ ...bundle, logLevel: 'silent', stdin: { contents, resolveDir: root } }).outputFiles[0].text;
  } catch (error) {
    console.error(`a package is missing or out of date: run npm ci (${error.errors?.[0]?.text ?? error.message})`);
    return process.exit(1);
  }
}

function wrap(text) {
  return `(function (require, module, exports) {${text}\n})`;
}

/** Writes a file atomically, because two runs may write it. Errors are ignored: without the cache, a run is only slower. */
function writeWhole(path, content) {
  try {
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(`${path}.${process.pid}`, content);
    renameSync(`${path}.${process.pid}`, path);
  } catch {}
}

/** Finds the source of the topmost line of a stack that is in the bundle: `settings/index.ts:62`. */
function sourceOf(options, stack) {
  const [, line, column] = /program\.cjs:(\d+):(\d+)/.exec(stack) ?? [];
  if (!line) return undefined;
  const [map] = buildSync({ ...options, sourcemap: 'external', outdir: root }).outputFiles;
  const { originalSource, originalLine } = new SourceMap(JSON.parse(map.text)).findEntry(line - 1, column - 1);
  return originalSource && `${relative(root, resolve(root, originalSource))}:${originalLine + 1}`;
}

const dependencies = loadDependencies();
const options = { ...bundle, entryPoints: [resolve(entry)], packages: 'external' };
const [{ text }] = buildSync(options).outputFiles;
try {
  evaluate(new Script(wrap(text), { filename: 'program.cjs' }), (name) => dependencies[name] ?? nodeRequire(name));
} catch (error) {
  // The message and its source line; the rest of the stack is this file's.
  const source = sourceOf(options, error.stack);
  console.error(`${source ? `${source}: ` : ''}${error.message}`);
  process.exitCode = 1;
}
