import { createInterface } from 'node:readline/promises';
import { stripVTControlCharacters } from 'node:util';
import { createLogUpdate } from 'log-update';
import colors from 'picocolors';
import { UserError } from './user-error.ts';

const logUpdate = createLogUpdate(process.stdout);

/** Progress lines: a terminal updates them in place; a pipe gets each change as a line of its own, with the time. */
export class Live {
  private readonly shown = new Map<string, string>();

  constructor(
    /** Prints nothing, because a program reads standard output. */
    private readonly silent: boolean,
    private readonly terminal = process.stdout.isTTY === true,
  ) {}

  /** Prints text that stays. */
  log(text: string): void {
    if (this.silent) return;
    if (this.terminal) {
      logUpdate.clear();
      console.log(text);
    } else for (const line of text.split('\n')) if (line.trim()) this.print(line.trim());
  }

  /** Updates the lines with these ids. Only a terminal shows `moving`, the part that changes every second. */
  update(lines: ReadonlyMap<string, { readonly text: string; readonly moving?: string }>): void {
    if (this.silent) return;
    if (this.terminal) {
      logUpdate([...lines.values()].map(({ text, moving = '' }) => cut(`${text}${moving}`)).join('\n'));
      return;
    }
    for (const [id, { text }] of lines) {
      if (this.shown.get(id) !== text) this.print(text.trim());
      this.shown.set(id, text);
    }
  }

  /** Keeps the current lines on the terminal. */
  done(): void {
    if (this.terminal && !this.silent) logUpdate.done();
  }

  private print(line: string): void {
    console.log(`${new Date().toTimeString().slice(0, 8)} ${line}`);
  }
}

/** Cuts a line to the terminal's width; colour codes count, so it may cut a little early. */
function cut(line: string): string {
  const width = process.stdout.columns ?? 100;
  return line.length <= width ? line : `${line.slice(0, width - 1)}…${colors.reset('')}`;
}

/** Aligns cells in columns. */
export function table(rows: readonly (readonly string[])[]): string {
  const length = (cell: string) => stripVTControlCharacters(cell).length;
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => length(row[column] ?? '')))) ?? [];
  const pad = (cell: string, column: number) => cell + ' '.repeat((widths[column] ?? 0) - length(cell));
  return rows.map((row) => row.map(pad).join('  ').trimEnd()).join('\n');
}

/** Returns the line that a person types. Throws a UserError with `otherwise` when standard input is not a terminal. */
export async function ask(question: string, otherwise: string): Promise<string> {
  if (!process.stdin.isTTY) throw new UserError(otherwise);
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await lines.question(question)).trim();
  } finally {
    lines.close();
  }
}
