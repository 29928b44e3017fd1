import colors from 'picocolors';

/** One thing that was asked of the running platform, and what came of it. */
export interface CheckResult {
  readonly name: string;
  readonly state: 'ok' | 'failed' | 'unanswerable';
  readonly seconds: number;
  /** What was seen, or why nobody can tell. Empty when there is nothing to say. */
  readonly saw: string;
  /** A kubectl command that shows more. */
  readonly more?: string;
  /** What answered in place of a product. */
  readonly standins: readonly string[];
}

/** The checks that the Job has printed so far; what is no check is somebody's complaint. */
export function parsed(log: string): { readonly checks: readonly CheckResult[]; readonly rest: readonly string[] } {
  const lines = log.split('\n').filter((line) => line.trim());
  const read = lines.map((line) => ({ line, check: resultOf(line) }));
  return {
    checks: read.flatMap(({ check }) => check ?? []),
    rest: read.flatMap(({ check, line }) => (check ? [] : [line])),
  };
}

function resultOf(line: string): CheckResult | undefined {
  try {
    const value = JSON.parse(line);
    return typeof value === 'object' && value !== null && typeof value.name === 'string' && value.state in SIGNS ? value : undefined;
  } catch {
    return undefined;
  }
}

const SIGNS = { ok: colors.green('✔'), failed: colors.red('✖'), unanswerable: colors.yellow('?') };

/** A check for a person: how it ended, the seconds it took, what was seen, who answered, and what shows more. */
export function line({ name, state, seconds, saw, more, standins }: CheckResult, context: string): string {
  const what = state === 'unanswerable' ? colors.yellow(`unanswerable: ${saw}`) : state === 'failed' ? colors.red(saw) : saw;
  const who = standins.length > 0 ? colors.dim(`(stand-in for ${standins.join(', ')}: proves the manifest, not the product)`) : '';
  const command = state === 'failed' && more ? `\n  → ${more.replace(/^kubectl /, `kubectl --context ${context} `)}` : '';
  return `${[SIGNS[state], name, colors.dim(`${seconds.toFixed(1)} s`), what, who].filter(Boolean).join('  ')}${command}`;
}

/** What all checks together come to. */
export function summary(checks: readonly CheckResult[], seconds: number): string {
  const count = (state: CheckResult['state']) => checks.filter((check) => check.state === state).length;
  const words = `${count('ok')} checks passed, ${count('failed')} failed, ${count('unanswerable')} cannot be answered here, after ${seconds.toFixed(0)} s`;
  return count('failed') > 0 ? colors.red(words) : colors.green(words);
}
