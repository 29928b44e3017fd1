import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { UserError } from '../cli/user-error.ts';
import { type Check, DEFAULT_TIMEOUT, type Suite } from './check.ts';
import type { Manifests } from './manifests.ts';
import type { Programs } from './programs.ts';

/** One check of one profile, or one fault of it. */
export interface Task {
  readonly profile: string;
  readonly suite: Suite;
  readonly check: Check;
  readonly manifests: Manifests;
  readonly fault?: number;
}

export interface Result extends Task {
  readonly passed: boolean;
  readonly output: string;
  readonly seconds: number;
}

const limitOf = ({ timeoutSeconds = DEFAULT_TIMEOUT }: Check) => timeoutSeconds;

/** Runs a command with a network and processes of its own, which end with it. */
async function inNamespaces(commandLine: readonly string[], input: string, seconds: number): Promise<{ status: number; output: string }> {
  const user = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'];
  const namespaces = [...user, '--net', '--pid', '--mount', '--fork', '--kill-child', '--mount-proc'];
  const options = { input, timeout: seconds * 1000, killSignal: 'SIGKILL', all: true, reject: false } as const;
  const { exitCode = 1, all = '', timedOut, code } = await execa('unshare', [...namespaces, ...commandLine], options);
  if (code === 'ENOENT') return { status: 1, output: 'unshare is missing' };
  return { status: exitCode, output: timedOut ? `it did not end within ${seconds} s\n${all}` : all };
}

/** Throws a UserError when this machine cannot make the namespaces. */
export async function assertNamespacesWork(): Promise<void> {
  const probe = 'ip link set lo up && nsenter --version && bwrap --ro-bind / / --unshare-pid true';
  const { status, output } = await inNamespaces(['sh', '-c', probe], '', 20);
  if (status !== 0)
    throw new UserError(
      `this machine cannot run the checks, which need Linux, unshare, nsenter, ip and bwrap (bubblewrap): ${output.trim()}`,
    );
}

async function run(task: Task, programs: Programs, scratch: string): Promise<Result> {
  const { suite, check, manifests, fault } = task;
  const folder = mkdtempSync(join(scratch, 'check-'));
  const start = performance.now();
  const job = JSON.stringify({ suite: suite.name, check: check.name, manifests, programs, folder, fault });
  // npm runs scripts in the project's folder.
  const worker = [process.execPath, resolve('run.js'), resolve('conformance/worker.ts')];
  const { status, output } = await inNamespaces(worker, job, limitOf(check));
  rmSync(folder, { recursive: true, force: true });
  const seconds = (performance.now() - start) / 1000;
  if (fault === undefined) return { ...task, passed: status === 0, output, seconds };
  const expected = [check.broken].flat()[fault]?.error;
  const passed = status === 1 && (expected?.test(output.split('\n')[0] ?? '') ?? false);
  return { ...task, passed, output: status === 0 ? 'the check did not fail' : `not ${expected}: ${output}`, seconds };
}

/** Runs the tasks, the longest first, and prints each result. */
export async function runAll(tasks: readonly Task[], programs: Programs, jobs: number): Promise<readonly Result[]> {
  const scratch = mkdtempSync(join(tmpdir(), 'conformance-'));
  process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));
  const queue = tasks.toSorted((one, other) => limitOf(other.check) - limitOf(one.check));
  const results: Result[] = [];
  const work = async () => {
    for (let task = queue.shift(); task; task = queue.shift()) {
      const result = await run(task, programs, scratch);
      results.push(result);
      const { passed, seconds, profile, suite, check, fault, output } = result;
      const name = `${suite.name}: ${check.name}${fault ? ` (fault ${fault + 1})` : ''}`;
      console.log(`${passed ? 'ok    ' : 'FAILED'} ${seconds.toFixed(1).padStart(6)} s  ${profile}  ${name}`);
      if (!passed) console.log(output.trimEnd().replace(/^/gm, '         '));
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  return results;
}
