/** A Markdown table; a bar in a cell is escaped. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), `|${' --- |'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}

/** Formats text as code, unless it is empty. */
export const code = (text: string): string => (text === '' ? '' : `\`${text}\``);

/** Formats MiB. */
export function size(mebibytes: number): string {
  return mebibytes % 1024 === 0 && mebibytes > 0 ? `${mebibytes / 1024} GiB` : `${mebibytes} MiB`;
}

/** Formats cores with up to three decimals. */
export const cores = (number: number): string => `${Math.round(number * 1000) / 1000}`;
