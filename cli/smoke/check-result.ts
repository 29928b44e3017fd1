import colors from 'picocolors';

/** The result of one check of the running platform. */
export interface CheckResult {
  readonly name: string;
  readonly state: 'ok' | 'failed' | 'skipped';
  readonly seconds: number;
  /** What the check found, or why it was skipped. */
  readonly detail: string;
  /** A kubectl command that shows more. */
  readonly command?: string;
  /** Services whose stand-in answered in place of the product. */
  readonly standins: readonly string[];
}

/** What the Job has printed so far. */
export interface JobOutput {
  readonly checks: readonly CheckResult[];
  /** Whether it printed its last line, the totals. */
  readonly finished: boolean;
  /** Lines of another form, such as an error message. */
  readonly others: readonly string[];
}

const SIGNS = { ok: colors.green('✔'), failed: colors.red('✖'), skipped: colors.yellow('?') };

/** Reads the Job's log. */
export function parseLog(log: string): JobOutput {
  const lines = log
    .split('\n')
    .filter((line) => line.trim())
    .map((line) => ({ line, value: parseObject(line) }));
  const isCheck = ({ value }: (typeof lines)[number]) => typeof value?.name === 'string' && `${value.state}` in SIGNS;
  const isTotals = ({ value }: (typeof lines)[number]) => typeof value?.totals === 'object';
  return {
    checks: lines.filter(isCheck).map(({ value }) => value as unknown as CheckResult),
    finished: lines.some(isTotals),
    others: lines.filter((each) => !isCheck(each) && !isTotals(each)).map(({ line }) => line),
  };
}

function parseObject(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value = JSON.parse(line);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The result of a check that fails when it found problems. */
export function resultOf(name: string, seconds: number, problems: readonly string[], success: string, command: string): CheckResult {
  const state = problems.length > 0 ? 'failed' : 'ok';
  return { name, state, seconds, detail: problems.join('; ') || success, command, standins: [] };
}

/** The line that the terminal shows for a check. */
export function line({ name, state, seconds, detail, command, standins }: CheckResult, context: string): string {
  const shown = state === 'skipped' ? colors.yellow(`skipped: ${detail}`) : state === 'failed' ? colors.red(detail) : detail;
  const note = standins.length > 0 ? colors.dim(`(stand-in for ${standins.join(', ')}: proves the manifest, not the product)`) : '';
  const more = state === 'failed' && command ? `\n  → ${command.replace(/^kubectl /, `kubectl --context ${context} `)}` : '';
  return `${[SIGNS[state], name, colors.dim(`${seconds.toFixed(1)} s`), shown, note].filter(Boolean).join('  ')}${more}`;
}

/** The last line: how many checks ended in each state. */
export function summary(checks: readonly CheckResult[], seconds: number): string {
  const count = (state: CheckResult['state']) => checks.filter((check) => check.state === state).length;
  const text = `${count('ok')} passed, ${count('failed')} failed, ${count('skipped')} skipped in ${seconds.toFixed(0)} s`;
  return count('failed') > 0 ? colors.red(text) : colors.green(text);
}
