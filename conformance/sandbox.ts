import { execFileSync, spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import type { ContainerManifest, Manifest, PodManifest } from '../lib/render.ts';
import { podOf } from '../lib/render.ts';
import { entrypointOf, foldersOf, type ProgramName, type Programs } from './programs.ts';

/** How a kubelet asks. */
export type ProbeKind = 'startup' | 'readiness' | 'liveness';

/** What a command said, and its exit status. */
export interface Answer {
  readonly status: number;
  readonly output: string;
}

/** What a check does otherwise than the manifest, and says so in its name. */
export interface Change {
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: (args: readonly string[]) => readonly string[];
}

const NETWORK = '10.77.0';
/** Where an image keeps the user's app. */
const APP = resolve('app');

/**
 * One machine for one check, in namespaces of its own: nothing that runs here is reached from outside, and nothing outlives it.
 * Pods get what a kubelet gives them: an address, their files at their paths, their variables, their command, a root that is read-only.
 * Not given: the image's own files, the user's number, limits of memory and CPU, network policies.
 */
export class Sandbox {
  private readonly secrets = new Map<string, string>();
  private readonly names = new Map<string, Set<string>>();
  private readonly started: Program[] = [];
  private addresses = 1;

  constructor(
    /** Of one profile, as dist/ has them. */
    readonly manifests: readonly Manifest[],
    readonly programs: Programs,
    /** Of this check alone; whoever made it removes it. */
    readonly folder: string,
  ) {
    ip('link', 'set', 'lo', 'up');
    ip('link', 'add', 'pods', 'type', 'bridge');
    ip('address', 'add', `${NETWORK}.1/24`, 'dev', 'pods');
    ip('link', 'set', 'pods', 'up');
    writeFileSync(join(folder, 'hosts'), '');
    writeFileSync(join(folder, 'resolv.conf'), '');
    writeFileSync(join(folder, 'nsswitch.conf'), 'passwd: files\nhosts: files\n');
    writeFileSync(join(folder, 'passwd'), 'root:x:0:0:root:/tmp:/bin/sh\n');
    // Stand-ins answer to the names of what they stand in for.
    const standins = Object.entries(programs).filter(([, program]) => program.standin);
    mkdirSync(join(folder, 'standins'));
    for (const [name, { command }] of standins) {
      writeFileSync(join(folder, 'standins', name), `#!/bin/sh\nexec python3 ${command.join(' ')} "$@"\n`, { mode: 0o755 });
    }
  }

  /** The one object of that kind and name. Jobs may be named without their hash. */
  object(kind: string, name: string): Manifest {
    const found = this.manifests.find(
      (each) =>
        each.kind === kind && (each.metadata.name === name || (kind === 'Job' && each.metadata.name.replace(/-[0-9a-f]{8}$/, '') === name)),
    );
    if (!found) throw new Error(`dist/ has no ${kind} ${name}`);
    return found;
  }

  /** A value for the key, the same throughout the check. */
  secret(name: string, key: string): string {
    const id = `${name}/${key}`;
    const value = this.secrets.get(id) ?? random(key);
    this.secrets.set(id, value);
    return value;
  }

  /** A pod of the workload, with its addresses and files; nothing runs in it yet. */
  pod(kind: 'StatefulSet' | 'Deployment' | 'Job', name: string, ordinal = 0): Pod {
    return new Pod(this, this.object(kind, name), ordinal);
  }

  /** An address of this machine under which the check itself answers for a Service. */
  address(service: string): string {
    const address = this.next();
    ip('address', 'add', `${address}/24`, 'dev', 'pods');
    this.name(address, service);
    return address;
  }

  /** The next free address. */
  next(): string {
    this.addresses += 1;
    return `${NETWORK}.${this.addresses}`;
  }

  /** Makes every pod find `address` under the names. */
  name(address: string, ...names: readonly string[]): void {
    for (const name of names) {
      const domain = `${name}.${this.manifests.find(({ kind }) => kind === 'Service')?.metadata.namespace}.svc.cluster.local`;
      for (const each of [name, domain]) this.names.set(each, (this.names.get(each) ?? new Set()).add(address));
    }
    const lines = [...this.names].flatMap(([each, all]) => [...all].map((one) => `${one} ${each}\n`));
    writeFileSync(join(this.folder, 'hosts'), `127.0.0.1 localhost\n${lines.join('')}`);
  }

  /** What runs a container's command as its pod sees it. */
  box(name: string, pause: number, mounts: readonly string[], command: readonly string[]): readonly string[] {
    const at = (file: string) => ['--ro-bind', join(this.folder, file), `/etc/${file}`];
    return [
      ...[
        'nsenter',
        `--net=/proc/${pause}/ns/net`,
        'bwrap',
        '--unshare-pid',
        '--as-pid-1',
        '--unshare-ipc',
        '--unshare-uts',
        '--hostname',
        name,
      ],
      ...['--ro-bind', '/usr', '/usr', '--proc', '/proc', '--dev', '/dev'],
      ...['bin', 'sbin', 'lib', 'lib64'].flatMap((each) => ['--symlink', `usr/${each}`, `/${each}`]),
      ...['ssl', 'alternatives', 'ld.so.cache'].flatMap((each) => ['--ro-bind-try', `/etc/${each}`, `/etc/${each}`]),
      ...['hosts', 'resolv.conf', 'nsswitch.conf', 'passwd'].flatMap(at),
      ...['--ro-bind', join(this.folder, 'standins'), '/opt/standins'],
      ...(existsSync(APP) ? ['--ro-bind', APP, '/app', '--chdir', '/app'] : []),
      ...mounts,
      // After the pod's own: they may lie in its /tmp.
      ...foldersOf(this.programs).flatMap((each) => ['--ro-bind', each, each]),
      ...['--remount-ro', '/', '--', ...command],
    ];
  }

  /** Where a pod finds programs. */
  get path(): string {
    const folders = Object.values(this.programs).map(({ command: [file] }) => dirname(file));
    // A folder of their own goes before the machine's: python3 is the one that was found.
    const own = new Set(folders.filter((each) => !/^\/(usr\/)?s?bin$/.test(each)));
    return ['/opt/standins', ...own, '/usr/local/bin', '/usr/bin', '/bin'].join(':');
  }

  /** Remembers what was started, for the last look. */
  add(program: Program): void {
    this.started.push(program);
  }

  /** Throws when a log or the process list shows a secret. */
  assertNoSecretShown(): void {
    const shown = [
      ...this.started.map(({ name, output }) => [`the log of ${name}`, output]),
      ['the process list', commandLines()],
    ] as const;
    for (const [id, value] of this.secrets) {
      const place = shown.find(([, text]) => text.includes(value));
      if (place) throw new Error(`${place[0]} shows the secret ${id}`);
    }
  }

  /** The last lines of each log, without secrets: what a person asks for first. */
  logs(): string {
    const hide = (text: string) => [...this.secrets].reduce((all, [id, value]) => all.replaceAll(value, `<${id}>`), text);
    return this.started.map(({ name, output }) => `--- ${name}\n${hide(output).trimEnd().split('\n').slice(-12).join('\n')}`).join('\n');
  }
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

  /** The names of its containers. */
  get containers(): readonly string[] {
    return this.spec.containers.map(({ name }) => name);
  }

  /** Where a file of the container lies on this machine: to look at, or to change. */
  file(path: string, container?: string): string {
    const mount = this.container(container).volumeMounts?.find(({ mountPath }) => path === mountPath || path.startsWith(`${mountPath}/`));
    if (!mount) throw new Error(`${this.name} has nothing at ${path}`);
    return join(this.folder, mount.name, path.slice(mount.mountPath.length));
  }

  /** Starts a container with its very command, arguments, variables and files. */
  start(container?: string, change: Change = {}): Program {
    const found = this.container(container);
    const args = (found.args ?? []).map((each) => this.expand(each, found, change));
    const command = found.command?.map((each) => this.expand(each, found, change)) ?? this.entrypoint(found, args);
    const program = new Program(
      found.name === this.name ? this.name : `${this.name}/${found.name}`,
      this.sandbox.box(this.name, this.pause, this.mounts(found), [...command, ...(change.args ? change.args(args) : args)]),
      this.env(found, change),
    );
    this.sandbox.add(program);
    return program;
  }

  /** Runs a command in the container as `kubectl exec` would. */
  async exec(
    command: readonly string[],
    options: { readonly container?: string; readonly stdin?: string; readonly seconds?: number } & Change = {},
  ): Promise<Answer> {
    const { container, stdin, seconds = 30 } = options;
    const found = this.container(container);
    const program = new Program(
      command[0] ?? '',
      this.sandbox.box(this.name, this.pause, this.mounts(found), command),
      this.env(found, options),
      stdin,
    );
    const status = await Promise.race([program.ended, pause(seconds * 1000, undefined, { ref: false })]);
    if (status === undefined) program.signal('SIGKILL');
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

  /** What the image starts. An image that only knows a shell's way of starting things is given that. */
  private entrypoint(container: ContainerManifest, args: readonly string[]): readonly string[] {
    // The app's image starts what it is told; the database's drops to its own program when told nothing else.
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

  private env(container: ContainerManifest, change: Change): Record<string, string> {
    const env: Record<string, string> = { PATH: this.sandbox.path, HOME: '/tmp', HOSTNAME: this.name };
    for (const { name, value, valueFrom } of container.env ?? []) {
      if (value !== undefined) env[name] = value.replace(/\$\((\w+)\)/g, (all, other: string) => env[other] ?? all);
      else if (valueFrom?.secretKeyRef) env[name] = this.sandbox.secret(valueFrom.secretKeyRef.name, valueFrom.secretKeyRef.key);
      else if (valueFrom?.fieldRef) env[name] = this.field(valueFrom.fieldRef.fieldPath);
      else throw new Error(`${this.name}: where ${name} comes from is not known here`);
    }
    return { ...env, ...change.env };
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

  private expand(text: string, container: ContainerManifest, change: Change): string {
    const env = this.env(container, change);
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

/** A program that was started. */
export class Program {
  /** All that it wrote so far. */
  output = '';
  /** Its exit status; that of a signal is 128 and its number, as a shell has it. */
  readonly ended: Promise<number>;
  private readonly pid: Promise<number>;

  constructor(
    readonly name: string,
    [file = '', ...args]: readonly string[],
    env: Readonly<Record<string, string>>,
    stdin?: string,
  ) {
    // bwrap tells the number of what it starts.
    const at = args.indexOf('bwrap') + 1;
    const child = spawn(file, [...args.slice(0, at), '--info-fd', '3', ...args.slice(at)], {
      env,
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
    });
    child.stdin.on('error', () => {});
    child.stdin.end(stdin);
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
      });
    }
    let info = '';
    const told = child.stdio[3] as Readable;
    this.pid = new Promise((done, fail) => {
      told.setEncoding('utf8').on('data', (text: string) => {
        info += text;
      });
      told.on('end', () => {
        const pid = /"child-pid": (\d+)/.exec(info)?.[1];
        if (pid) done(Number(pid));
        else fail(new Error(`${this.name} was not started: ${this.output}`));
      });
    });
    this.pid.catch(() => {});
    this.ended = new Promise((done, fail) => {
      child.on('error', fail);
      child.on('close', (status, signal) => done(status ?? (signal ? 255 : 0)));
    });
  }

  /** Sends a signal to the program, process 1 of its container. One that is gone is left in peace. */
  async signal(signal: NodeJS.Signals): Promise<void> {
    const pid = await this.pid;
    try {
      process.kill(pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  /** SIGTERM, then the exit status. Throws when it takes longer than that. */
  async stop(seconds: number): Promise<number> {
    await this.signal('SIGTERM');
    const status = await Promise.race([this.ended, pause(seconds * 1000, undefined, { ref: false })]);
    if (status === undefined) throw new Error(`${this.name} did not end within ${seconds} s of SIGTERM`);
    return status;
  }

  /** SIGKILL, then nothing of it is left. */
  async kill(): Promise<void> {
    await this.signal('SIGKILL');
    await this.ended;
  }
}

/** Asks again until the answer is yes. Throws a sentence with `what` when it is not in that time. */
export async function eventually(question: () => Promise<boolean> | boolean, seconds: number, what: string): Promise<void> {
  const end = performance.now() + seconds * 1000;
  while (!(await question())) {
    if (performance.now() > end) throw new Error(`not within ${seconds} s: ${what}`);
    await pause(100);
  }
}

/** The command lines of all processes of this sandbox. */
export function commandLines(): string {
  const numbers = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return numbers.map((number) => read(`/proc/${number}/cmdline`).replaceAll('\0', ' ')).join('\n');
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** Of the format that the key's name promises. */
function random(key: string): string {
  if (key.endsWith('-token')) return randomUUID();
  return key === 'gossip-key' ? randomBytes(32).toString('base64') : randomBytes(32).toString('base64url');
}

function ip(...args: readonly string[]): void {
  execFileSync('ip', [...args], { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** A network namespace with that address on the bridge: what holds it is the pod's pause container, and has its number. */
function network(address: string): number {
  const own = readlinkSync('/proc/self/ns/net');
  const { pid = 0 } = spawn('unshare', ['--net', 'sleep', 'infinity'], { stdio: 'ignore' });
  const other = () => {
    try {
      return readlinkSync(`/proc/${pid}/ns/net`);
    } catch {
      return own;
    }
  };
  while (other() === own) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
  const link = `pod${address.split('.').at(-1)}`;
  ip('link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', `${pid}`);
  ip('link', 'set', link, 'master', 'pods', 'up');
  const inside = `ip address add ${address}/24 dev eth0; ip link set eth0 up; ip link set lo up; ip route add default via ${NETWORK}.1`;
  execFileSync('nsenter', [`--net=/proc/${pid}/ns/net`, 'sh', '-ec', inside]);
  return pid;
}

function connects(host: string, port: number, seconds: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect({ host, port, timeout: seconds * 1000 });
    const end = (answer: boolean) => {
      socket.destroy();
      done(answer);
    };
    socket.on('connect', () => end(true));
    socket.on('error', () => end(false));
    socket.on('timeout', () => end(false));
  });
}
