import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { parseAllDocuments } from 'yaml';
import { table } from '../cli/output.ts';
import { exitWith, UserError } from '../cli/user-error.ts';
import type { Manifest } from '../lib/render.ts';
import type { Check, Service } from './check.ts';
import { findPrograms, isProgram, type ProgramName, programNames } from './programs.ts';
import { services } from './services.ts';

const USAGE = `npm run conformance -- [--profile NAME] [--bin FOLDER]... [--require PROGRAM,...] [--only SERVICE,...] [--broken] [--jobs N]

Gives what dist/ holds to the programs that will read it, on this machine, and prints what they made of it.
Programs are looked for in each --bin FOLDER, then on PATH. Needs Linux, unshare, nsenter, ip and bwrap (bubblewrap).

  --profile NAME       one profile only           (default: every folder of dist/)
  --bin FOLDER         where programs are, may be given several times
  --require A,B        ends with 2 when one of these is missing
  --only A,B           these services only
  --broken             breaks the manifests for each check, and sees the check fail
  --jobs N             checks at the same time    (default: twice the processors)

Ends with 0 when all is well, 1 when a check failed, 2 when a program is missing or an option is wrong.`;

/** One check of one service for one profile. */
interface Task {
  readonly profile: string;
  readonly service: Service;
  readonly check: Check;
  readonly manifests: readonly Manifest[];
}

interface Result extends Task {
  readonly passed: boolean;
  readonly said: string;
  readonly seconds: number;
}

// npm runs its scripts in the project's folder.
const root = process.cwd();
/** What is at work now, and its scratch folders: nothing of it outlives this program, however it ends. */
const running = new Set<ChildProcess>();
const scratch = mkdtempSync(join(tmpdir(), 'conformance-'));
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
  rmSync(scratch, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));

const list = (text: string | undefined) => text?.split(',').filter(Boolean) ?? [];

function manifestsOf(profile: string): readonly Manifest[] {
  const folder = join(root, 'dist', profile);
  return readdirSync(folder)
    .filter((file) => file.endsWith('.yaml'))
    .flatMap((file) => parseAllDocuments(readFileSync(join(folder, file), 'utf8')).map((document) => document.toJS() as Manifest));
}

function options() {
  try {
    const { values } = parseArgs({
      options: {
        profile: { type: 'string' },
        bin: { type: 'string', multiple: true, default: [] },
        require: { type: 'string' },
        only: { type: 'string' },
        jobs: { type: 'string', default: `${2 * availableParallelism()}` },
        broken: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    return values;
  } catch (error) {
    throw new UserError(`${(error as Error).message.split('\n')[0]} See npm run conformance -- --help`);
  }
}

/** Whether namespaces can be made here, and the tools for them are there. */
async function ready(): Promise<void> {
  const probe = 'ip link set lo up && nsenter --version && bwrap --ro-bind / / --unshare-pid true';
  const { status, said } = await inNamespaces(['sh', '-c', probe], '', 20);
  if (status !== 0)
    throw new UserError(`no sandbox can be made here, which takes Linux, unshare, nsenter, ip and bwrap (bubblewrap): ${said.trim()}`);
}

/** Runs a command alone: its own network, its own processes, which end when it ends. */
function inNamespaces(command: readonly string[], stdin: string, seconds: number): Promise<{ status: number; said: string }> {
  const user = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'];
  const flags = [...user, '--net', '--pid', '--mount', '--fork', '--kill-child', '--mount-proc'];
  return new Promise((done) => {
    let said = '';
    const child = spawn('unshare', [...flags, ...command], { stdio: 'pipe', timeout: seconds * 1000, killSignal: 'SIGKILL' });
    running.add(child);
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (said += text));
    child.on('error', (error) => done({ status: 1, said: error.message }));
    child.on('close', (status, signal) => {
      running.delete(child);
      done({ status: status ?? 1, said: signal ? `it did not end within ${seconds} s\n${said}` : said });
    });
    child.stdin.on('error', () => {});
    child.stdin.end(stdin);
  });
}

async function run(task: Task, programs: object, broken: boolean): Promise<Result> {
  const folder = mkdtempSync(join(scratch, 'check-'));
  const start = performance.now();
  try {
    const { service, check, manifests } = task;
    const order = JSON.stringify({ service: service.name, check: check.name, manifests, programs, folder, broken });
    const command = [process.execPath, join(root, 'run.js'), join(root, 'conformance/worker.ts')];
    const { status, said } = await inNamespaces(command, order, check.within ?? 60);
    const sentence = said.split('\n')[0] ?? '';
    const passed = broken ? status === 1 && (check.broken?.says.test(sentence) ?? false) : status === 0;
    return { ...task, passed, said: broken && status === 0 ? 'it did not notice' : said, seconds: (performance.now() - start) / 1000 };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What the first of the service's programs is, in a reader's words. */
function nature(service: Service, programs: ReturnType<typeof findPrograms>): readonly [string, string] {
  const [name] = service.programs;
  const found = programs[name];
  const what = service.keysOnly ? 'keys only' : found?.standin ? 'stand-in' : 'real';
  return [`${name}${found?.version ? ` ${found.version}` : ''}`, what];
}

async function main(): Promise<number> {
  const chosen = options();
  if (chosen.help) {
    console.log(USAGE);
    return 0;
  }
  const profiles = readdirSync(join(root, 'dist'));
  const wanted = chosen.profile === undefined ? profiles : [chosen.profile];
  for (const profile of wanted) {
    if (!profiles.includes(profile))
      throw new UserError(`dist/ has no profile "${profile}": use ${profiles.join(' or ')}, or npm run synth first`);
  }
  const only = list(chosen.only);
  for (const name of only) {
    if (!services.some((service) => service.name === name)) {
      throw new UserError(`there is no service "${name}": use ${services.map((service) => service.name).join(', ')}`);
    }
  }
  const required = list(chosen.require);
  for (const name of required) {
    if (!isProgram(name)) throw new UserError(`--require does not know "${name}": use ${programNames.join(', ')}`);
  }
  const jobs = Number(chosen.jobs);
  if (!Number.isInteger(jobs) || jobs < 1) throw new UserError(`--jobs ${chosen.jobs}: give a whole number from 1`);

  const programs = findPrograms(chosen.bin.map((folder) => resolve(folder)));
  const missing = required.filter((name) => !programs[name as ProgramName]);
  if (missing.length > 0) throw new UserError(`not found in --bin or on PATH, and required: ${missing.join(', ')}`);
  await ready();

  const asked = services.filter((service) => only.length === 0 || only.includes(service.name));
  const can = (service: Service) => service.programs.every((name) => programs[name]);
  const tasks = wanted.flatMap((profile) => {
    const manifests = manifestsOf(profile);
    return asked
      .filter(can)
      .flatMap((service) =>
        service.checks
          .filter((check) => (!chosen.broken || check.broken) && (check.when?.(manifests) ?? true))
          .map((check): Task => ({ profile, service, check, manifests })),
      );
  });
  // The longest first: they decide when all is done.
  const queue = tasks.toSorted((a, b) => (b.check.within ?? 60) - (a.check.within ?? 60));
  const results: Result[] = [];
  const worker = async () => {
    for (let task = queue.shift(); task; task = queue.shift()) {
      const result = await run(task, programs, chosen.broken);
      results.push(result);
      const { passed, seconds, profile, service, check, said } = result;
      console.log(`${passed ? 'ok    ' : 'FAILED'} ${seconds.toFixed(1).padStart(6)} s  ${profile}  ${service.name}: ${check.name}`);
      if (!passed) console.log(said.trimEnd().replace(/^/gm, '         '));
    }
  };
  await Promise.all(Array.from({ length: jobs }, worker));

  const rows = wanted.flatMap((profile) =>
    asked.map((service) => {
      const mine = results.filter((result) => result.profile === profile && result.service === service);
      const failed = mine.filter(({ passed }) => !passed).length;
      const seconds = mine.reduce((sum, result) => sum + result.seconds, 0).toFixed(0);
      const lacking = service.programs.filter((name) => !programs[name]);
      const checks = lacking.length > 0 ? `not run: no ${lacking.join(', ')}` : `${mine.length - failed} of ${mine.length}`;
      return [profile, service.name, ...nature(service, programs), checks, seconds];
    }),
  );
  console.log(`\n${table([['profile', 'service', 'program', 'it is', 'checks', 'seconds'], ...rows])}`);
  const failed = results.filter(({ passed }) => !passed).length;
  console.log(`\n${results.length - failed} checks passed, ${failed} failed`);
  return failed > 0 ? 1 : 0;
}

exitWith(main());
