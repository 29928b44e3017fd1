import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Command, CommanderError, InvalidArgumentError, Option } from '@commander-js/extra-typings';
import { execa } from 'execa';
import { parseAllDocuments } from 'yaml';
import { table } from '../cli/output.ts';
import { exitWith, UserError } from '../cli/user-error.ts';
import type { Manifest } from '../lib/render.ts';
import { type Check, DEFAULT_TIMEOUT, type Suite } from './check.ts';
import type { Manifests } from './manifests.ts';
import { findPrograms, type Programs, programNames } from './programs.ts';
import { suites } from './suites.ts';

/** One check of one profile, or one fault of it. */
interface Task {
  readonly profile: string;
  readonly suite: Suite;
  readonly check: Check;
  readonly manifests: Manifests;
  readonly fault?: number;
}

interface Result extends Task {
  readonly passed: boolean;
  readonly output: string;
  readonly seconds: number;
}

// npm runs scripts in the project's folder.
const root = process.cwd();
const scratch = mkdtempSync(join(tmpdir(), 'conformance-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));

const limitOf = ({ timeoutSeconds = DEFAULT_TIMEOUT }: Check) => timeoutSeconds;

/** Parses names separated by commas. */
const namesOf = (allowed: readonly string[]) => (text: string) => {
  const names = text.split(',').filter(Boolean);
  const unknown = names.find((name) => !allowed.includes(name));
  if (unknown) throw new InvalidArgumentError(`"${unknown}" is not one of ${allowed.join(', ')}.`);
  return names;
};

function numberOf(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError('Give a whole number from 1.');
  return Number(text);
}

const profiles = readdirSync(join(root, 'dist'));
const command = new Command('conformance')
  .exitOverride()
  .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, '')) })
  .showHelpAfterError('npm run conformance -- --help lists the options')
  .configureHelp({ commandUsage: () => 'npm run conformance -- [options]' })
  .description(
    `Starts the real programs with the manifests in dist/ and checks what the manifests promise.
Looks for programs in each --bin folder, then on PATH. Requires Linux, unshare, nsenter, ip and bwrap (bubblewrap).
Exits with 0 when every check passed, 1 when one failed, 2 when a program is missing or an option is wrong.`,
  )
  .addOption(new Option('--profile <name>', 'check one profile only').choices(profiles))
  .option('--bin <folder>', 'a folder of programs; repeatable', (folder, all: string[]) => [...all, resolve(folder)], [])
  .option('--require <programs>', 'exit with 2 when one of these is missing', namesOf(programNames), [])
  .option('--only <services>', 'check these services only', namesOf(suites.map(({ name }) => name)), [])
  .option('--broken', 'break the manifests for each check, and require that the check fails', false)
  .option('--jobs <number>', 'checks at the same time', numberOf, 2 * availableParallelism());

/** Runs a command with a network and processes of its own, which end with it. */
async function inNamespaces(commandLine: readonly string[], input: string, seconds: number): Promise<{ status: number; output: string }> {
  const user = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'];
  const namespaces = [...user, '--net', '--pid', '--mount', '--fork', '--kill-child', '--mount-proc'];
  const options = { input, timeout: seconds * 1000, killSignal: 'SIGKILL', all: true, reject: false } as const;
  const { exitCode = 1, all = '', timedOut, code } = await execa('unshare', [...namespaces, ...commandLine], options);
  if (code === 'ENOENT') return { status: 1, output: 'unshare is missing' };
  return { status: exitCode, output: timedOut ? `it did not end within ${seconds} s\n${all}` : all };
}

async function assertNamespacesWork(): Promise<void> {
  const probe = 'ip link set lo up && nsenter --version && bwrap --ro-bind / / --unshare-pid true';
  const { status, output } = await inNamespaces(['sh', '-c', probe], '', 20);
  if (status !== 0)
    throw new UserError(
      `this machine cannot run the checks, which need Linux, unshare, nsenter, ip and bwrap (bubblewrap): ${output.trim()}`,
    );
}

async function run(task: Task, programs: Programs): Promise<Result> {
  const { suite, check, manifests, fault } = task;
  const folder = mkdtempSync(join(scratch, 'check-'));
  const start = performance.now();
  const job = JSON.stringify({ suite: suite.name, check: check.name, manifests, programs, folder, fault });
  const worker = [process.execPath, join(root, 'run.js'), join(root, 'conformance/worker.ts')];
  const { status, output } = await inNamespaces(worker, job, limitOf(check));
  rmSync(folder, { recursive: true, force: true });
  const seconds = (performance.now() - start) / 1000;
  if (fault === undefined) return { ...task, passed: status === 0, output, seconds };
  const expected = [check.broken].flat()[fault]?.error;
  const passed = status === 1 && (expected?.test(output.split('\n')[0] ?? '') ?? false);
  return { ...task, passed, output: status === 0 ? 'the check did not fail' : `not ${expected}: ${output}`, seconds };
}

/** Runs the tasks, the longest first, and prints each result. */
async function runAll(tasks: readonly Task[], programs: Programs, jobs: number): Promise<readonly Result[]> {
  const queue = tasks.toSorted((one, other) => limitOf(other.check) - limitOf(one.check));
  const results: Result[] = [];
  const work = async () => {
    for (let task = queue.shift(); task; task = queue.shift()) {
      const result = await run(task, programs);
      results.push(result);
      const { passed, seconds, profile, suite, check, output } = result;
      console.log(`${passed ? 'ok    ' : 'FAILED'} ${seconds.toFixed(1).padStart(6)} s  ${profile}  ${suite.name}: ${check.name}`);
      if (!passed) console.log(output.trimEnd().replace(/^/gm, '         '));
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  return results;
}

/** The row of a suite: its program, whether that is real, and its results. */
function row(profile: string, suite: Suite, programs: Programs, all: readonly Result[]): readonly string[] {
  const program = programs[suite.programs[0]];
  const results = all.filter((each) => each.profile === profile && each.suite === suite);
  const lacking = suite.programs.filter((name) => !programs[name]);
  return [
    profile,
    suite.name,
    [suite.programs[0], program?.version].filter(Boolean).join(' '),
    suite.keysOnly ? 'keys only' : program?.standin ? 'stand-in' : program ? 'real' : 'missing',
    lacking.length > 0 ? `not run without ${lacking.join(', ')}` : `${results.filter(({ passed }) => passed).length} of ${results.length}`,
    results.reduce((sum, { seconds }) => sum + seconds, 0).toFixed(0),
  ];
}

function manifestsOf(profile: string): Manifests {
  const files = readdirSync(join(root, 'dist', profile)).filter((file) => file.endsWith('.yaml'));
  const text = files.map((file) => readFileSync(join(root, 'dist', profile, file), 'utf8')).join('\n---\n');
  return parseAllDocuments(text).map((document) => document.toJS() as Manifest);
}

async function main(): Promise<number> {
  try {
    command.parse();
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    throw error;
  }
  const options = command.opts();
  const programs: Programs = findPrograms(options.bin);
  const missing = options.require.filter((name) => !Object.hasOwn(programs, name));
  if (missing.length > 0) throw new UserError(`these required programs are not in a --bin folder or on PATH: ${missing.join(', ')}`);
  await assertNamespacesWork();

  const chosen = suites.filter(({ name }) => options.only.length === 0 || options.only.includes(name));
  const wanted = options.profile === undefined ? profiles : [options.profile];
  const tasks = wanted.flatMap((profile) => {
    const manifests = manifestsOf(profile);
    const able = chosen.filter((suite) => suite.programs.every((name) => programs[name]));
    const checks = able.flatMap((suite) => suite.checks.map((check) => ({ profile, suite, check, manifests })));
    const applicable = checks.filter(({ check }) => check.when?.(manifests) ?? true);
    return options.broken
      ? applicable.flatMap((task) => [task.check.broken].flat().map((_, fault): Task => ({ ...task, fault })))
      : applicable;
  });
  const results = await runAll(tasks, programs, options.jobs);

  const rows = wanted.flatMap((profile) => chosen.map((suite) => row(profile, suite, programs, results)));
  console.log(`\n${table([['profile', 'service', 'program', 'which is', 'checks passed', 'seconds'], ...rows])}`);
  const passed = results.filter((result) => result.passed).length;
  console.log(`\n${passed} checks passed, ${results.length - passed} failed`);
  return passed < results.length ? 1 : 0;
}

exitWith(main());
