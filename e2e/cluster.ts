import { setTimeout as pause } from 'node:timers/promises';
import { execa } from 'execa';
import { snapshot, workloadsOf } from '../cli/cluster.ts';
import { diagnose } from '../cli/diagnose.ts';
import { Kubectl } from '../cli/kubectl.ts';
import { type Profile, profileOf } from '../cli/profile.ts';
import type { Manifest } from '../lib/render.ts';

/** Runs a program to its end; `all` is its output. Throws with the output when it fails. */
export const run = execa({ all: true, input: '' });

export const INSTANCE = 'app.kubernetes.io/instance';

/** A cluster that e2e has to itself, with one profile in it. */
export class Cluster {
  readonly kubectl: Kubectl;
  readonly profile: Profile;

  constructor(context: string, profile: string) {
    this.profile = profileOf(profile);
    this.kubectl = new Kubectl(context, this.profile.namespace);
  }

  /** Runs `npm run NAME`, in a copy of the project if `cwd` is given. */
  command(name: string, args: readonly string[] = [], options: { readonly cwd?: string; readonly input?: string } = {}) {
    const target = ['--profile', this.profile.name, '--context', this.kubectl.context];
    return run(process.execPath, ['run.js', 'cli/index.ts', name, ...target, ...args], options);
  }

  /** Removes the platform with its disks, Secrets and namespace. */
  async purge(): Promise<void> {
    await this.command('down', ['--purge'], { input: `${this.profile.name}\n` });
  }

  /** Applies the profile's folder as the README does. Throws when the server refuses it or warns. */
  async applyFiles(dist = 'dist'): Promise<void> {
    const folder = `${dist}/${this.profile.name}`;
    const access = ['--context', this.kubectl.context, 'apply', '--server-side', '--field-manager=platform'];
    const { all } = await run('kubectl', [...access, '-f', `${folder}/setup`, '-f', folder]);
    if (all.includes('Warning:')) throw new Error(all);
  }

  /** Waits until every workload is ready and returns the seconds it took. Throws the reasons of those that are not. */
  async waitReady(timeout = 120): Promise<number> {
    const start = performance.now();
    for (;;) {
      const objects = await snapshot(this.kubectl);
      const waiting = workloadsOf(this.profile)
        .map((workload) => diagnose(workload, { objects }, this.profile.name))
        .filter(({ state }) => state !== 'ready');
      const seconds = (performance.now() - start) / 1000;
      if (waiting.length === 0) return seconds;
      if (seconds > timeout)
        throw new Error(`not ready after ${timeout} s: ${waiting.map(({ name, message }) => `${name} (${message})`).join(', ')}`);
      await pause(500);
    }
  }

  /** The running pods of the platform, without those of Jobs. */
  async pods(): Promise<readonly Manifest[]> {
    const all = await this.kubectl.objects(['get', 'pods', '--field-selector=status.phase=Running']);
    return all.filter(({ metadata }) => metadata.labels?.['batch.kubernetes.io/job-name'] === undefined);
  }

  /** Deletes pods, or `--all`, without a grace period. */
  async kill(...pods: readonly string[]): Promise<void> {
    await this.kubectl.run(['delete', 'pod', ...pods, '--grace-period=0', '--force'], { seconds: 120 });
  }

  /** Runs a command in a pod and returns its output. */
  async exec(pod: string, command: readonly string[], container?: string, seconds = 60): Promise<string> {
    const option = container ? [`--container=${container}`] : [];
    return (await this.kubectl.run(['exec', pod, ...option, '--', ...command], { seconds })).trim();
  }

  /** A key of a Secret, kept in memory only. */
  async secret(name: string, key: string): Promise<string> {
    const [secret] = await this.kubectl.objects(['get', 'secret', name]);
    return Buffer.from(secret?.data[key] ?? '', 'base64').toString();
  }

  /** Calls `use` with the local address of the Service's port of the same name. */
  forward<Result>(service: string, use: (address: string) => Promise<Result>): Promise<Result> {
    const ports: readonly { name: string; port: number }[] =
      this.profile.objects.find(({ kind, metadata }) => kind === 'Service' && metadata.name === service)?.spec.ports ?? [];
    const port = ports.find(({ name }) => name === service)?.port;
    if (!port) throw new Error(`the manifests have no port ${service} of a Service ${service}`);
    return this.kubectl.forward(service, port, use);
  }

  /** Sends an HTTP request to a service, from outside the cluster. `standin` reports whether a stand-in answered for the product. */
  http(service: string, path: string, init: RequestInit = {}) {
    return this.forward(service, async (address) => {
      const response = await fetch(`http://${address}${path}`, { ...init, signal: AbortSignal.timeout(10_000) });
      return { status: response.status, text: await response.text(), standin: response.headers.has('x-standin') };
    });
  }
}

/** Repeats a check each second until its value is truthy, and returns that. Throws after the timeout. */
export async function eventually<Value>(check: () => Promise<Value | false>, timeout: number, condition: string): Promise<Value> {
  for (const end = performance.now() + timeout * 1000; ; await pause(1000)) {
    const value = await check().catch(() => false as const);
    if (value) return value;
    if (performance.now() > end) throw new Error(`not within ${timeout} s: ${condition}`);
  }
}

/** Samples twice a second while an action runs, and returns the samples. */
export async function sampleDuring<Sample>(sample: () => Promise<Sample>, action: () => Promise<unknown>): Promise<readonly Sample[]> {
  const samples: Sample[] = [];
  let running = true;
  const sampling = (async () => {
    for (; running; await pause(500)) samples.push(await sample());
  })();
  // A failure is thrown below, once the action has ended.
  sampling.catch(() => {});
  await action().finally(() => {
    running = false;
  });
  await sampling;
  return samples;
}

/** The Authorization header of HTTP Basic. */
export const basicAuth = (user: string, password: string) => ({
  authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
});
