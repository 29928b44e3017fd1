import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { foldersOf, type Programs } from './programs.ts';

/** The user's app: /app in its image. */
const APP = resolve('app');

/** Runs commands as containers see them: process 1, the pod's network, a read-only root, and the pod's volumes. */
export class Bubblewrap {
  /** The containers' PATH. */
  readonly path: string;

  constructor(
    private readonly programs: Programs,
    private readonly folder: string,
  ) {
    writeFileSync(join(folder, 'resolv.conf'), '');
    writeFileSync(join(folder, 'nsswitch.conf'), 'passwd: files\nhosts: files\n');
    writeFileSync(join(folder, 'passwd'), 'root:x:0:0:root:/tmp:/bin/sh\n');
    mkdirSync(join(folder, 'standins'));
    // Each stand-in gets the name of the program that it replaces.
    for (const [name, { command, standin }] of Object.entries(programs)) {
      const script = `#!/bin/sh\nexec python3 ${command.join(' ')} "$@"\n`;
      if (standin) writeFileSync(join(folder, 'standins', name), script, { mode: 0o755 });
    }
    const folders = Object.values(programs).map(({ command: [file] }) => dirname(file));
    // These come before the machine's own folders, so that python3 is the one that was found.
    const own = new Set(folders.filter((each) => !/^\/(usr\/)?s?bin$/.test(each)));
    this.path = ['/opt/standins', ...own, '/usr/local/bin', '/usr/bin', '/bin'].join(':');
  }

  /** The command line that runs a container's command; `pause` is the process that holds the pod's network. */
  command(hostname: string, pause: number, mounts: readonly string[], command: readonly string[]): readonly string[] {
    return [
      ...['nsenter', `--net=/proc/${pause}/ns/net`],
      ...['bwrap', '--unshare-pid', '--as-pid-1', '--unshare-ipc', '--unshare-uts', '--hostname', hostname],
      ...['--ro-bind', '/usr', '/usr', '--proc', '/proc', '--dev', '/dev', '--dir', '/tmp'],
      ...['bin', 'sbin', 'lib', 'lib64'].flatMap((each) => ['--symlink', `usr/${each}`, `/${each}`]),
      ...['ssl', 'alternatives', 'ld.so.cache'].flatMap((each) => ['--ro-bind-try', `/etc/${each}`, `/etc/${each}`]),
      ...['hosts', 'resolv.conf', 'nsswitch.conf', 'passwd'].flatMap((each) => ['--ro-bind', join(this.folder, each), `/etc/${each}`]),
      ...['--ro-bind', join(this.folder, 'standins'), '/opt/standins'],
      ...(existsSync(APP) ? ['--ro-bind', APP, '/app', '--chdir', '/app'] : []),
      ...mounts,
      // After the pod's volumes: the programs may be in a folder below /tmp.
      ...foldersOf(this.programs).flatMap((each) => ['--ro-bind', each, each]),
      ...['--remount-ro', '/', '--', ...command],
    ];
  }
}
