import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type ContainerManifest, type Manifest, type PodManifest, podOf } from '../lib/render.ts';
import { connects, network } from './network.ts';
import { eventually, Program } from './program.ts';
import { entrypointOf, type ProgramName } from './programs.ts';
import type { Sandbox } from './sandbox.ts';

/** How a kubelet asks. */
export type ProbeKind = 'startup' | 'readiness' | 'liveness';

/** What a command said, and its exit status. */
export interface ExecResult {
  readonly status: number;
  readonly output: string;
}

/** What a check does otherwise than the manifest, and says so in its name. */
export interface PodOverrides {
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: (args: readonly string[]) => readonly string[];
}

/** A pod without a kubelet. */
export class Pod {
  readonly name: string;
  readonly address: string;
  private readonly spec: PodManifest;
  private readonly folder: string;
  private readonly pause: number;

  constructor(
    private readonly sandbox: Sandbox,
    workload: Manifest,
    ordinal: number,
  ) {
    const { name } = workload.metadata;
    this.name = workload.kind === 'StatefulSet' ? `${name}-${ordinal}` : name;
    const spec = podOf(workload);
    if (!spec) throw new Error(`${name} runs no pod`);
    this.spec = spec;
    this.folder = join(sandbox.folder, this.name);
    this.address = sandbox.next();
    this.pause = network(this.address);
    const { labels } = workload.spec.template.metadata;
    for (const service of sandbox.manifests.filter(({ kind }) => kind === 'Service')) {
      const selected = Object.entries<string>(service.spec.selector).every(([key, value]) => labels[key] === value);
      if (selected) sandbox.name(this.address, service.metadata.name, `${this.name}.${service.metadata.name}`);
    }
    for (const claim of workload.spec.volumeClaimTemplates ?? []) mkdirSync(join(this.folder, claim.metadata.name), { recursive: true });
    for (const volume of spec.volumes ?? []) this.fill(volume);
  }

  /** The container of that name, or the pod's first. */
  container(name?: string): ContainerManifest {
    const found = name === undefined ? this.spec.containers[0] : this.spec.containers.find((each) => each.name === name);
    if (!found) throw new Error(`${this.name} has no container ${name}`);
    return found;
  }

  /** Where a file of the container lies on this machine: to look at, or to change. */
  file(path: string, container?: string): string {
    const mount = this.container(container).volumeMounts?.find(({ mountPath }) => path === mountPath || path.startsWith(`${mountPath}/`));
    if (!mount) throw new Error(`${this.name} has nothing at ${path}`);
    return join(this.folder, mount.name, path.slice(mount.mountPath.length));
  }

  /** Starts a container with its very command, arguments, variables and files. */
  start(container?: string, overrides: PodOverrides = {}): Program {
    const found = this.container(container);
    const args = (found.args ?? []).map((each) => this.expand(each, found, overrides));
    const command = found.command?.map((each) => this.expand(each, found, overrides)) ?? this.entrypoint(found, args);
    const program = new Program(
      found.name === this.name ? this.name : `${this.name}/${found.name}`,
      this.sandbox.box(this.name, this.pause, this.mounts(found), [...command, ...(overrides.args ? overrides.args(args) : args)]),
      this.env(found, overrides),
    );
    this.sandbox.add(program);
    return program;
  }

  /** Runs a command in the container as `kubectl exec` would. */
  async exec(
    command: readonly string[],
    options: { readonly container?: string; readonly stdin?: string; readonly seconds?: number } & PodOverrides = {},
  ): Promise<ExecResult> {
    const { container, stdin, seconds = 30 } = options;
    const found = this.container(container);
    const program = new Program(
      command[0] ?? '',
      this.sandbox.box(this.name, this.pause, this.mounts(found), command),
      this.env(found, options),
      stdin,
    );
    const status = await Promise.race([program.ended, pause(seconds * 1000, undefined, { ref: false })]);
    if (status === undefined) await program.kill();
    return { status: status ?? 124, output: program.output };
  }

  /** Asks once, as a kubelet would, within the probe's own time. */
  async probe(kind: ProbeKind, container?: string): Promise<boolean> {
    const found = this.container(container);
    const probe = found[`${kind}Probe`];
    if (!probe) throw new Error(`${this.name}/${found.name} has no ${kind}Probe`);
    const seconds = probe.timeoutSeconds ?? 1;
    if (probe.exec) return (await this.exec(probe.exec.command, { ...(container && { container }), seconds })).status === 0;
    const port = this.port(probe.httpGet?.port ?? probe.tcpSocket?.port ?? '', found);
    if (probe.tcpSocket) return connects(this.address, port, seconds);
    try {
      const answer = await fetch(`http://${this.address}:${port}${probe.httpGet?.path ?? '/'}`, {
        signal: AbortSignal.timeout(seconds * 1000),
        redirect: 'manual',
      });
      return answer.status >= 200 && answer.status < 400;
    } catch {
      return false;
    }
  }

  /** Waits until the probe is answered. Throws when it is not in that time. */
  async until(kind: ProbeKind, seconds: number, container?: string): Promise<void> {
    await eventually(() => this.probe(kind, container), seconds, `the ${kind} probe of ${this.name} is answered`);
  }

  /**
   * Asks as often as a kubelet does, for that many seconds, and says after how many it would have restarted the container.
   * @default undefined - it would not have
   */
  async restartedAfter(seconds: number, container?: string): Promise<number | undefined> {
    const { periodSeconds = 10, failureThreshold = 3 } = this.container(container).livenessProbe ?? {};
    const start = performance.now();
    const passed = () => (performance.now() - start) / 1000;
    for (let failures = 0; passed() < seconds; await pause(periodSeconds * 1000)) {
      failures = (await this.probe('liveness', container)) ? 0 : failures + 1;
      if (failures >= failureThreshold) return passed();
    }
    return undefined;
  }

  /** Asks as often as a kubelet does, until it would call the container ready. Throws when it would not within that time. */
  async ready(seconds: number, container?: string): Promise<void> {
    const { periodSeconds = 10, successThreshold = 1 } = this.container(container).readinessProbe ?? {};
    const end = performance.now() + seconds * 1000;
    for (let successes = 0; ; await pause(periodSeconds * 1000)) {
      successes = (await this.probe('readiness', container)) ? successes + 1 : 0;
      if (successes >= successThreshold) return;
      if (performance.now() > end) throw new Error(`not within ${seconds} s: ${this.name} is ready`);
    }
  }

  /** `http://ADDRESS:PORT` of a named port. */
  url(port: string): string {
    const found = this.spec.containers.find(({ ports }) => ports?.some(({ name }) => name === port));
    return `http://${this.address}:${this.port(port, found ?? this.container())}`;
  }

  private port(port: string | number, container: ContainerManifest): number {
    if (typeof port === 'number') return port;
    const found = container.ports?.find(({ name }) => name === port);
    if (!found) throw new Error(`${this.name}/${container.name} has no port ${port}`);
    return found.containerPort;
  }

  /** What the image's entrypoint puts before the arguments. */
  private entrypoint(container: ContainerManifest, args: readonly string[]): readonly string[] {
    // The images of the app and of ArangoDB run the program that the first argument names.
    if (args[0] === 'sh' || args[0] === 'arangod') return [];
    const name: ProgramName = entrypointOf(container.image);
    const found = this.sandbox.programs[name];
    if (!found) throw new Error(`${name} is not on this machine`);
    return found.standin ? [name] : found.command;
  }

  private mounts(container: ContainerManifest): readonly string[] {
    return (container.volumeMounts ?? []).flatMap(({ name, mountPath, readOnly }) => [
      readOnly ? '--ro-bind' : '--bind',
      join(this.folder, name),
      mountPath,
    ]);
  }

  private env(container: ContainerManifest, overrides: PodOverrides): Record<string, string> {
    const env: Record<string, string> = { PATH: this.sandbox.path, HOME: '/tmp', HOSTNAME: this.name };
    for (const { name, value, valueFrom } of container.env ?? []) {
      if (value !== undefined) env[name] = value.replace(/\$\((\w+)\)/g, (all, other: string) => env[other] ?? all);
      else if (valueFrom?.secretKeyRef) env[name] = this.sandbox.secret(valueFrom.secretKeyRef.name, valueFrom.secretKeyRef.key);
      else if (valueFrom?.fieldRef) env[name] = this.field(valueFrom.fieldRef.fieldPath);
      else throw new Error(`${this.name}: where ${name} comes from is not known here`);
    }
    return { ...env, ...overrides.env };
  }

  private field(path: string): string {
    const fields: Readonly<Record<string, string | undefined>> = {
      'metadata.name': this.name,
      'metadata.namespace': this.sandbox.manifests.find(({ kind }) => kind === 'Service')?.metadata.namespace,
      'spec.nodeName': 'node',
      'status.podIP': this.address,
    };
    const value = fields[path];
    if (value === undefined) throw new Error(`${this.name}: the field ${path} is not known here`);
    return value;
  }

  private expand(text: string, container: ContainerManifest, overrides: PodOverrides): string {
    const env = this.env(container, overrides);
    return text.replace(/\$\((\w+)\)/g, (all, name: string) => env[name] ?? all);
  }

  private fill(volume: NonNullable<PodManifest['volumes']>[number]): void {
    const folder = join(this.folder, volume.name);
    mkdirSync(folder, { recursive: true });
    const { configMap, secret } = volume;
    const files = configMap
      ? Object.entries<string>(this.sandbox.object('ConfigMap', configMap.name).data)
      : (secret?.items.map(({ key }) => [key, this.sandbox.secret(secret.secretName, key)] as const) ?? []);
    for (const [name, text] of files) writeFileSync(join(folder, name), text);
  }
}
