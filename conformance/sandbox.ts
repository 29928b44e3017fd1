import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { secrets as listed } from '../charts/secrets.ts';
import { generate } from '../cli/secrets/generate.ts';
import type { Manifest } from '../lib/render.ts';
import type { SecretKey } from '../lib/secret.ts';
import { ip, NETWORK } from './network.ts';
import { Pod } from './pod.ts';
import { commandLines, type Program } from './program.ts';
import { foldersOf, type Programs } from './programs.ts';

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
    return this.remembered(`${name}/${key}`, name, key);
  }

  /** A value of the key's format that is not the one above: a wrong password, or that of tomorrow. Also the same throughout. */
  anotherSecret(name: string, key: string): string {
    return this.remembered(`another ${name}/${key}`, name, key);
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
      ...['--ro-bind', '/usr', '/usr', '--proc', '/proc', '--dev', '/dev', '--dir', '/tmp'],
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

  private remembered(id: string, name: string, key: string): string {
    const value = this.secrets.get(id) ?? made(name, key);
    this.secrets.set(id, value);
    return value;
  }
}

/** A value of the format that charts/secrets.ts gives the key. What only the user knows is as good as any password here. */
function made(name: string, key: string): string {
  const keys: Readonly<Record<string, SecretKey>> | undefined = Object.values(listed).find((secret) => secret.name === name)?.keys;
  const format = keys?.[key]?.format;
  if (!format) throw new Error(`charts/secrets.ts has no key ${name}/${key}`);
  return generate[format === 'given' ? 'password' : format]();
}
