import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';

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
