import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { Command, CommanderError, InvalidArgumentError, Option } from '@commander-js/extra-typings';
import { parseAllDocuments } from 'yaml';
import { table } from '../cli/output.ts';
import { UserError } from '../cli/user-error.ts';
import type { Manifest } from '../lib/render.ts';
import type { Suite } from './check.ts';
import type { Manifests } from './manifests.ts';
import { findPrograms, type Programs, programNames } from './programs.ts';
import { assertNamespacesWork, type Result, runAll, type Task } from './runner.ts';
import { suites } from './suites.ts';

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

const profiles = readdirSync('dist');
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
  const files = readdirSync(join('dist', profile)).filter((file) => file.endsWith('.yaml'));
  const text = files.map((file) => readFileSync(join('dist', profile, file), 'utf8')).join('\n---\n');
  return parseAllDocuments(text).map((document) => document.toJS() as Manifest);
}

/** Runs the checks and returns the exit status. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    command.parse(args, { from: 'user' });
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
  console.log(`\n${table([['profile', 'service', 'program', 'kind', 'checks passed', 'seconds'], ...rows])}`);
  const passed = results.filter((result) => result.passed).length;
  console.log(`\n${passed} checks passed, ${results.length - passed} failed`);
  return passed < results.length ? 1 : 0;
}
