import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type ContainerManifest, type Manifest, type PodManifest, podOf } from '../lib/render.ts';
import type { Bubblewrap } from './bubblewrap.ts';
import type { Logs } from './logs.ts';
import { containerOf, find, type Manifests, type ProbeKind } from './manifests.ts';
import { connects, type Network } from './network.ts';
import { eventually, Process } from './process.ts';
import { entrypointOf, type Programs } from './programs.ts';
import type { SecretValues } from './secret-values.ts';

/** What a pod runs on. */
interface Node {
  readonly manifests: Manifests;
  readonly namespace: string;
  readonly programs: Programs;
  readonly folder: string;
  readonly secrets: SecretValues;
  readonly logs: Logs;
  readonly network: Network;
  readonly containers: Bubblewrap;
}

/** What a check changes in a container; the check's name mentions it. */
export interface Overrides {
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: (args: readonly string[]) => readonly string[];
}

interface ExecOptions extends Overrides {
  readonly container?: string;
  readonly stdin?: string;
  readonly seconds?: number;
}

/** A pod without a kubelet. */
export class Pod {
  readonly name: string;
  readonly address: string;
  /** Seconds between SIGTERM and SIGKILL. */
  readonly gracePeriod: number;
  private readonly spec: PodManifest;
  private readonly folder: string;
  private readonly pause: number;

  constructor(
    private readonly node: Node,
    workload: Manifest,
    ordinal: number,
  ) {
    const { name } = workload.metadata;
    this.name = workload.kind === 'StatefulSet' ? `${name}-${ordinal}` : name;
    const spec = podOf(workload);
    if (!spec) throw new Error(`${name} has no pod`);
    this.spec = spec;
    this.gracePeriod = spec.terminationGracePeriodSeconds;
    this.folder = join(node.folder, this.name);
    ({ address: this.address, pause: this.pause } = node.network.addPod());
    const { labels } = workload.spec.template.metadata;
    for (const { kind, metadata, spec } of node.manifests) {
      const selects = kind === 'Service' && Object.entries(spec.selector).every(([key, value]) => labels[key] === value);
      if (selects) node.network.addNames(this.address, metadata.name, `${this.name}.${metadata.name}`);
    }
    for (const claim of workload.spec.volumeClaimTemplates ?? []) mkdirSync(join(this.folder, claim.metadata.name), { recursive: true });
    for (const volume of spec.volumes ?? []) this.fill(volume);
  }

  /** The named container, or the first. */
  container(name?: string): ContainerManifest {
    return containerOf(this.spec, name, this.name);
  }

  /** The path on this machine of a file in the container. */
  file(path: string, container?: string): string {
    const mount = this.container(container).volumeMounts?.find(({ mountPath }) => path === mountPath || path.startsWith(`${mountPath}/`));
    if (!mount) throw new Error(`${this.name} mounts no volume at ${path}`);
    return join(this.folder, mount.name, path.slice(mount.mountPath.length));
  }

  /** Rewrites a file of the container. */
  edit(path: string, change: (text: string) => string): void {
    writeFileSync(this.file(path), change(readFileSync(this.file(path), 'utf8')));
  }

  /** Starts a container with its command, arguments, environment and volumes. */
  start(container?: string, overrides: Overrides = {}): Process {
    const found = this.container(container);
    const expanded = (all: readonly string[] = []) => all.map((each) => expand(each, this.env(found, overrides)));
    const args = expanded(found.args);
    const command = found.command ? expanded(found.command) : this.entrypoint(found, args);
    const name = found.name === this.name ? this.name : `${this.name}/${found.name}`;
    const process = this.spawn(name, found, [...command, ...(overrides.args?.(args) ?? args)], overrides);
    this.node.logs.add(process);
    return process;
  }

  /** Starts a container and waits for a probe. */
  async startUntil(kind: ProbeKind, seconds: number, container?: string, overrides: Overrides = {}): Promise<Process> {
    const process = this.start(container, overrides);
    await this.waitFor(kind, seconds, container);
    return process;
  }

  /** Runs a command in the container, as `kubectl exec` does. Kills it after 60 s, with the status 124. */
  async exec(command: readonly string[], options: ExecOptions = {}): Promise<{ readonly status: number; readonly output: string }> {
    const process = this.spawn(command[0] ?? '', this.container(options.container), command, options, options.stdin);
    const status = await process.endedWithin(options.seconds ?? 60);
    if (status === undefined) await process.kill();
    return { status: status ?? 124, output: process.output };
  }

  /** Runs a command that must succeed and returns its output. */
  async run(command: readonly string[], options?: ExecOptions): Promise<string> {
    const { status, output } = await this.exec(command, options);
    assert.equal(status, 0, `${command[0]} exited with ${status}: ${oneLine(output)}`);
    return output;
  }

  /** Runs the first container to its end, which must be a success, and returns its output. */
  async complete(overrides?: Overrides): Promise<string> {
    const process = this.start(undefined, overrides);
    const status = await process.ended;
    assert.equal(status, 0, `${process.name} exited with ${status}: ${oneLine(process.output)}`);
    return process.output;
  }

  /** Sends SIGTERM and returns the exit status. Throws when the grace period is exceeded. */
  stop(process: Process): Promise<number> {
    return process.stop(this.gracePeriod);
  }

  /** Runs a probe once, within its own time-out. */
  async probe(kind: ProbeKind, container?: string): Promise<boolean> {
    const found = this.container(container);
    const probe = found[`${kind}Probe`];
    if (!probe) throw new Error(`${this.name}/${found.name} has no ${kind}Probe`);
    const seconds = probe.timeoutSeconds ?? 1;
    if (probe.exec) return (await this.exec(probe.exec.command, { ...(container && { container }), seconds })).status === 0;
    const port = this.port(probe.httpGet?.port ?? probe.tcpSocket?.port ?? '', found);
    if (probe.tcpSocket) return connects(this.address, port, seconds);
    const init: RequestInit = { signal: AbortSignal.timeout(seconds * 1000), redirect: 'manual' };
    const response = await fetch(`http://${this.address}:${port}${probe.httpGet?.path ?? '/'}`, init).catch(() => undefined);
    return response !== undefined && response.status >= 200 && response.status < 400;
  }

  /** Waits until a probe succeeds. Throws when it does not within the time. */
  async waitFor(kind: ProbeKind, seconds: number, container?: string): Promise<void> {
    await eventually(() => this.probe(kind, container), seconds, `the ${kind} probe of ${this.name} succeeds`);
  }

  /** Probes like a kubelet until the container is ready. Throws when it is not within the time. */
  async waitUntilReady(seconds: number): Promise<void> {
    const { periodSeconds = 10, successThreshold = 1 } = this.container().readinessProbe ?? {};
    const end = performance.now() + seconds * 1000;
    for (let successes = 0; ; await pause(periodSeconds * 1000)) {
      successes = (await this.probe('readiness')) ? successes + 1 : 0;
      if (successes >= successThreshold) return;
      if (performance.now() > end) throw new Error(`not within ${seconds} s: ${this.name} is ready`);
    }
  }

  /**
   * Probes like a kubelet for that many seconds.
   * @returns the seconds after which a kubelet restarts the container; `undefined` when it does not
   */
  async restartedAfter(seconds: number): Promise<number | undefined> {
    const { periodSeconds = 10, failureThreshold = 3 } = this.container().livenessProbe ?? {};
    const start = performance.now();
    const passed = () => (performance.now() - start) / 1000;
    for (let failures = 0; passed() < seconds; await pause(periodSeconds * 1000)) {
      failures = (await this.probe('liveness')) ? 0 : failures + 1;
      if (failures >= failureThreshold) return passed();
    }
    return undefined;
  }

  /** Sends a request to a named port. */
  fetch(port: string, path: string, init?: RequestInit): Promise<Response> {
    return fetch(`http://${this.address}:${this.portNumber(port)}${path}`, init);
  }

  /** Sends a JSON document to a named port and returns the status. */
  async post(port: string, path: string, body: object): Promise<number> {
    const init = { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) };
    return (await this.fetch(port, path, init)).status;
  }

  /** The body of a page. */
  async text(port: string, path: string): Promise<string> {
    return (await this.fetch(port, path)).text();
  }

  /** The number of a named port of any container. */
  portNumber(port: string): number {
    return this.port(port, this.spec.containers.find(({ ports }) => ports?.some(({ name }) => name === port)) ?? this.container());
  }

  private port(port: string | number, container: ContainerManifest): number {
    if (typeof port === 'number') return port;
    const found = container.ports?.find(({ name }) => name === port);
    if (!found) throw new Error(`${this.name}/${container.name} has no port ${port}`);
    return found.containerPort;
  }

  private spawn(name: string, container: ContainerManifest, command: readonly string[], overrides: Overrides, stdin?: string): Process {
    const mounts = (container.volumeMounts ?? []).flatMap(({ name, mountPath, readOnly }) => [
      readOnly ? '--ro-bind' : '--bind',
      join(this.folder, name),
      mountPath,
    ]);
    const box = this.node.containers.command(this.name, this.pause, mounts, command);
    return new Process(name, box, this.env(container, overrides), stdin);
  }

  /** The command of the image's entrypoint. */
  private entrypoint(container: ContainerManifest, args: readonly string[]): readonly string[] {
    // The entrypoints of the app and of ArangoDB run their first argument.
    if (args[0] === 'sh' || args[0] === 'arangod') return [];
    const name = entrypointOf(container.image);
    const found = this.node.programs[name];
    if (!found) throw new Error(`${name} is not installed on this machine`);
    return found.standin ? [name] : found.command;
  }

  private env(container: ContainerManifest, overrides: Overrides): Record<string, string> {
    const env: Record<string, string> = { PATH: this.node.containers.path, HOME: '/tmp', HOSTNAME: this.name };
    for (const { name, value, valueFrom } of container.env ?? []) {
      const { secretKeyRef, fieldRef } = valueFrom ?? {};
      if (value !== undefined) env[name] = expand(value, env);
      else if (secretKeyRef) env[name] = this.node.secrets.get(secretKeyRef.name, secretKeyRef.key);
      else env[name] = this.field(fieldRef?.fieldPath ?? `of ${name}`);
    }
    return { ...env, ...overrides.env };
  }

  private field(path: string): string {
    const fields: Readonly<Record<string, string>> = {
      'metadata.name': this.name,
      'metadata.namespace': this.node.namespace,
      'spec.nodeName': 'node',
      'status.podIP': this.address,
    };
    const value = fields[path];
    if (value === undefined) throw new Error(`${this.name}: the sandbox does not support the field ${path}`);
    return value;
  }

  private fill({ name, configMap, secret }: NonNullable<PodManifest['volumes']>[number]): void {
    const folder = join(this.folder, name);
    mkdirSync(folder, { recursive: true });
    const files = configMap
      ? Object.entries<string>(find(this.node.manifests, 'ConfigMap', configMap.name).data)
      : (secret?.items.map(({ key }) => [key, this.node.secrets.get(secret.secretName, key)] as const) ?? []);
    for (const [file, text] of files) writeFileSync(join(folder, file), text);
  }
}

const oneLine = (text: string) => text.trim().replace(/\s+/g, ' ');

/** Expands `$(NAME)` as a kubelet does. */
function expand(text: string, env: Readonly<Record<string, string>>): string {
  return text.replace(/\$\((\w+)\)/g, (all, name: string) => env[name] ?? all);
}
