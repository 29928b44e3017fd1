import { type Process, processList } from './process.ts';
import type { SecretValues } from './secret-values.ts';

const TAIL = 12;

/** The output of every container of a check. */
export class Logs {
  private readonly processes: Process[] = [];

  constructor(private readonly secrets: SecretValues) {}

  add(process: Process): void {
    this.processes.push(process);
  }

  /** Throws when a log or the process list shows a secret. */
  assertNoSecretShown(): void {
    const logs = this.processes.map(({ name, output }) => [`the log of ${name}`, output] as const);
    for (const [place, text] of [...logs, ['the process list', processList()] as const]) {
      const secret = this.secrets.findIn(text);
      if (secret) throw new Error(`${place} shows the secret ${secret}`);
    }
  }

  /** The last lines of each log, without secrets. */
  tail(): string {
    const last = (output: string) => this.secrets.redact(output).trimEnd().split('\n').slice(-TAIL).join('\n');
    return this.processes.map(({ name, output }) => `--- ${name}\n${last(output)}`).join('\n');
  }
}
