import { createInterface } from 'node:readline/promises';
import { createLogUpdate } from 'log-update';
import colors from 'picocolors';
import { UserError } from './user-error.ts';

const logUpdate = createLogUpdate(process.stdout);

/** Lines that a terminal shows in place; piped, each change of a line is a line of its own, with the time. */
export class Live {
  private readonly shown = new Map<string, string>();

  constructor(
    /** Prints nothing: a program reads the answer. */
    private readonly silent: boolean,
    private readonly terminal = process.stdout.isTTY === true,
  ) {}

  /** Something that happened once. */
  say(text: string): void {
    if (this.silent) return;
    if (this.terminal) {
      logUpdate.clear();
      console.log(text);
    } else for (const line of text.split('\n')) if (line.trim()) this.print(line.trim());
  }

  /** What is true now, by what it is about; `moving` is seen on a terminal only, since it changes with every second. */
  show(lines: ReadonlyMap<string, { readonly text: string; readonly moving?: string }>): void {
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

  /** Leaves what is shown where it is. */
  done(): void {
    if (this.terminal && !this.silent) logUpdate.done();
  }

  private print(line: string): void {
    console.log(`${new Date().toTimeString().slice(0, 8)} ${line}`);
  }
}

/** One line of a terminal, whatever its width. Colours are not counted: the line is cut a little early. */
function cut(line: string): string {
  const width = process.stdout.columns ?? 100;
  return line.length <= width ? line : `${line.slice(0, width - 1)}…${colors.reset('')}`;
}

/** Columns as wide as their widest cell. */
export function table(rows: readonly (readonly string[])[]): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the codes of colours take no room
  const length = (cell: string) => cell.replace(/\u001b\[\d+m/g, '').length;
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => length(row[column] ?? '')))) ?? [];
  const pad = (cell: string, column: number) => cell + ' '.repeat((widths[column] ?? 0) - length(cell));
  return rows.map((row) => row.map(pad).join('  ').trimEnd()).join('\n');
}

/** What a person typed in answer to a question. Throws a UserError where nobody can answer. */
export async function ask(question: string, otherwise: string): Promise<string> {
  if (!process.stdin.isTTY) throw new UserError(otherwise);
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await lines.question(question)).trim();
  } finally {
    lines.close();
  }
}
