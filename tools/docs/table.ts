/** A Markdown table; a bar in a cell is escaped. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), `|${' --- |'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}

/** As code, or nothing. */
export const code = (text: string): string => (text === '' ? '' : `\`${text}\``);

/** MiB as a person writes them. */
export function size(mebibytes: number): string {
  return mebibytes % 1024 === 0 && mebibytes > 0 ? `${mebibytes / 1024} GiB` : `${mebibytes} MiB`;
}

/** Cores with at most three digits behind the point. */
export const cores = (number: number): string => `${Math.round(number * 1000) / 1000}`;
