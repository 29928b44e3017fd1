import { spawn } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { snapshot, workloadsOf } from '../cli/cluster.ts';
import { diagnose } from '../cli/diagnose.ts';
import { Kubectl } from '../cli/kubectl.ts';
import { type Profile, profileOf } from '../cli/profile.ts';
import type { Manifest } from '../lib/render.ts';

/** What a command printed, how it ended and how long it took. */
export interface CommandResult {
  readonly status: number;
  readonly said: string;
  readonly seconds: number;
}

/** An HTTP answer of a service. */
export interface ServiceResponse {
  readonly status: number;
  readonly text: string;
  /** A stand-in answered, and says so: it proves what is asked, not what the product makes of it. */
  readonly standin: boolean;
}

/** The cluster that the proofs have for themselves, with one profile in it. */
export class Cluster {
  readonly kubectl: Kubectl;
  readonly profile: Profile;

  constructor(context: string, profile: string) {
    this.profile = profileOf(profile);
    this.kubectl = new Kubectl(context, this.profile.namespace);
  }

  /** One of the project's commands, as a person runs it; from a changed copy of the project, if given. */
  command(name: string, args: readonly string[] = [], project = process.cwd()): Promise<CommandResult> {
    const all = ['run.js', 'cli/index.ts', name, '--profile', this.profile.name, '--context', this.kubectl.context, ...args];
    return run(process.execPath, all, project);
  }

  /** Removes the platform with its disks, Secrets and namespace. */
  async purge(): Promise<void> {
    const args = ['run.js', 'cli/index.ts', 'down', '--profile', this.profile.name, '--context', this.kubectl.context, '--purge'];
    const { status, said } = await run(process.execPath, args, process.cwd(), `${this.profile.name}\n`);
    if (status !== 0) throw new Error(said);
  }

  /** The same, which has to end well. Throws what it printed. */
  async must(name: string, args: readonly string[] = [], project = process.cwd()): Promise<CommandResult> {
    const done = await this.command(name, args, project);
    if (done.status !== 0) throw new Error(`${name} ended with ${done.status}: ${done.said.trim()}`);
    return done;
  }

  /** `kubectl apply` of the profile's folder, as the README has it; of another dist/, if given. Throws what the server warned of or refused. */
  async applyFiles(dist = 'dist'): Promise<void> {
    const folder = `${dist}/${this.profile.name}`;
    const access = ['--context', this.kubectl.context, 'apply', '--server-side', '--field-manager=platform'];
    const { status, said } = await run('kubectl', [...access, '-f', `${folder}/setup`, '-f', folder]);
    if (status !== 0 || said.includes('Warning:')) throw new Error(said);
  }

  /** Waits until every workload is as it should be; the seconds it took. Throws what is not, and why. */
  async settle(seconds = 120): Promise<number> {
    const start = performance.now();
    for (;;) {
      const objects = await snapshot(this.kubectl);
      const late = workloadsOf(this.profile)
        .map((workload) => diagnose(workload, { objects }, this.profile.name))
        .filter(({ state }) => state !== 'ready');
      const passed = (performance.now() - start) / 1000;
      if (late.length === 0) return passed;
      if (passed > seconds)
        throw new Error(`not ready after ${seconds} s: ${late.map(({ name, message }) => `${name} (${message})`).join(', ')}`);
      await pause(500);
    }
  }

  /** The running pods of the platform's workloads; Jobs' are left out. */
  async pods(): Promise<readonly Manifest[]> {
    const all = await this.kubectl.objects(['get', 'pods', '--field-selector=status.phase=Running']);
    return all.filter(({ metadata }) => metadata.labels?.['batch.kubernetes.io/job-name'] === undefined);
  }

  /** Runs a command in a pod; what it printed. */
  async exec(pod: string, command: readonly string[], container?: string, seconds = 60): Promise<string> {
    const of = container ? [`--container=${container}`] : [];
    return (await this.kubectl.run(['exec', pod, ...of, '--', ...command], { seconds })).trim();
  }

  /** A key of a Secret. It stays in memory. */
  async secret(name: string, key: string): Promise<string> {
    const [secret] = await this.kubectl.objects(['get', 'secret', name]);
    return Buffer.from(secret?.data[key] ?? '', 'base64').toString();
  }

  /** Asks a service over HTTP, from outside. */
  http(service: string, port: number, path: string, init: RequestInit = {}): Promise<ServiceResponse> {
    return this.kubectl.forward(service, port, async (address) => {
      const answer = await fetch(`http://${address}${path}`, { ...init, signal: AbortSignal.timeout(10_000) });
      return { status: answer.status, text: await answer.text(), standin: answer.headers.has('x-standin') };
    });
  }
}

/** Runs a program to its end. */
export function run(file: string, args: readonly string[], cwd = process.cwd(), stdin = ''): Promise<CommandResult> {
  const start = performance.now();
  return new Promise((done, fail) => {
    let said = '';
    const child = spawn(file, [...args], { cwd, stdio: 'pipe' });
    child.stdin.on('error', () => {});
    child.stdin.end(stdin);
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
    }
    child.on('error', fail);
    child.on('close', (status) => done({ status: status ?? 1, said, seconds: (performance.now() - start) / 1000 }));
  });
}

/** Asks again each second until the answer is yes. Throws when it is not in that time. */
export async function eventually(question: () => Promise<boolean>, seconds: number, what: string): Promise<void> {
  const end = performance.now() + seconds * 1000;
  while (!(await question().catch(() => false))) {
    if (performance.now() > end) throw new Error(`not within ${seconds} s: ${what}`);
    await pause(1000);
  }
}

/** Looks twice a second, until it is told to end; all that it saw. */
export function watch<Seen>(look: () => Promise<Seen>): { readonly end: () => Promise<readonly Seen[]> } {
  const seen: Seen[] = [];
  let ended = false;
  const watching = (async () => {
    while (!ended) {
      seen.push(await look());
      await pause(500);
    }
  })();
  return {
    async end() {
      ended = true;
      await watching;
      return seen;
    },
  };
}
