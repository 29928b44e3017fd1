import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';

/** A process that runs in a container. */
export class Process {
  /** Standard output and standard error so far. */
  output = '';
  /** The exit status; for a signal, 128 plus its number, as in a shell. */
  readonly ended: Promise<number>;
  private readonly pid: Promise<number>;

  constructor(
    readonly name: string,
    [file = '', ...args]: readonly string[],
    env: Readonly<Record<string, string>>,
    stdin?: string,
  ) {
    // bwrap reports the pid of the process that it starts.
    const at = args.indexOf('bwrap') + 1;
    const info = ['--info-fd', '3'];
    const child = spawn(file, [...args.slice(0, at), ...info, ...args.slice(at)], { env, stdio: ['pipe', 'pipe', 'pipe', 'pipe'] });
    child.stdin.on('error', () => {}).end(stdin);
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        this.output += chunk;
      });
    }
    this.pid = text(child.stdio[3] as Readable).then((json) => {
      const pid = /"child-pid": (\d+)/.exec(json)?.[1];
      if (!pid) throw new Error(`${name} was not started: ${this.output}`);
      return Number(pid);
    });
    this.pid.catch(() => {});
    this.ended = new Promise((done, fail) => {
      child.on('error', fail);
      child.on('close', (status) => done(status ?? 255));
    });
  }

  /** Sends a signal to process 1 of the container; ignored when the process has ended. */
  async signal(signal: NodeJS.Signals): Promise<void> {
    const pid = await this.pid;
    try {
      process.kill(pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  /** Sends SIGTERM and returns the exit status. Throws when the process does not end within the time. */
  async stop(seconds: number): Promise<number> {
    await this.signal('SIGTERM');
    const status = await this.endedWithin(seconds);
    if (status === undefined) throw new Error(`${this.name} did not end within ${seconds} s of SIGTERM`);
    return status;
  }

  /** Sends SIGKILL and waits for the end. */
  async kill(): Promise<void> {
    await this.signal('SIGKILL');
    await this.ended;
  }

  /** The exit status; `undefined` when the process is still running after that time. */
  endedWithin(seconds: number): Promise<number | undefined> {
    return Promise.race([this.ended, pause(seconds * 1000, undefined, { ref: false })]);
  }
}

/** Waits until the condition is true. Throws `not within N s: WHAT` otherwise. */
export async function eventually(condition: () => Promise<boolean> | boolean, seconds: number, what: string): Promise<void> {
  const end = performance.now() + seconds * 1000;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`not within ${seconds} s: ${what}`);
    await pause(100);
  }
}

/** The command lines of all processes of this check. */
export function processList(): string {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map((pid) => commandLine(pid).replaceAll('\0', ' ')).join('\n');
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return ''; // The process has ended.
  }
}
