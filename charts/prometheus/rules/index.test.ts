import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { community } from '../../arangodb/community.ts';
import { risen, rising } from './expressions.ts';
import { ruleGroups } from './index.ts';

interface Case {
  readonly name: string;
  readonly input_series: readonly { readonly series: string }[];
  readonly promql_expr_test: readonly { readonly exp_samples: readonly { readonly labels: string }[] }[];
}

const cases: readonly Case[] = parse(readFileSync(join(import.meta.dirname, 'promtool-tests.yaml'), 'utf8')).tests;
const rules = ruleGroups.flatMap(({ rules }) => rules);

/** The names of the series in an expression, with or without those that are read as a range. */
function namesIn(expr: string, { ranges = true } = {}): string[] {
  const bare = expr
    .replace(/\{[^}]*\}/g, '')
    .replace(ranges ? /\[[^\]]*\]/g : /\w+\[[^\]]*\]/g, '')
    .replace(/\b(on|by)\s*\([^)]*\)|\boffset \w+/g, '');
  return [...bare.matchAll(/\b[a-zA-Z]\w*\b(?!\s*\()/g)].map(([name]) => name).filter((name) => !/^(and|or|unless)$/.test(name));
}

describe.each(rules)('$alert', ({ alert, expr }) => {
  test('fires in a case of promtool-tests.yaml', () => {
    const firing = cases.filter(({ promql_expr_test }) =>
      promql_expr_test.some(({ exp_samples }) =>
        exp_samples.some(({ labels }) => labels.includes(`alertname="${alert}",alertstate="firing"`)),
      ),
    );
    expect(firing.length).toBeGreaterThan(0);
  });

  test('is silent in the case of the healthy platform, which has every series that it reads', () => {
    const healthy = cases.find(({ name }) => name === 'a healthy platform');
    const series = new Set(healthy?.input_series.map((each) => each.series.replace(/\{.*/, '')));
    expect(namesIn(expr).filter((name) => !series.has(name))).toEqual([]);
  });
});

describe.each([...rules, ...community.rules])('the expression of $alert', ({ expr, for: duration }) => {
  const minutes = Number.parseInt(duration, 10) * (duration.endsWith('h') ? 60 : 1);

  test('reads counters of failures by risen or rising only, because a counter that appears with its first failure has no rate', () => {
    const counters = [...expr.matchAll(/\b(?:rate|increase|delta)\(([^[]*)\[/g)].map(([, counter = '']) => counter);
    const rest = counters.reduce((text, counter) => text.replaceAll(risen(counter), '').replaceAll(rising(counter), ''), expr);
    expect(rest.match(/\b(rate|increase|delta)\(\w*(fail|error|refuse|reject|discard|drop|evict|limited|pressure|panic)\w*/)).toBeNull();
  });

  test('has a `for` of 0 with risen, and one beyond its range with rising', () => {
    if (expr.includes('[30m] offset 1h')) expect(minutes).toBe(0);
    else if (/increase\(\w+\[10m\]\) > 0/.test(expr)) expect(minutes).toBeGreaterThan(10);
  });

  test('reads only `up` without a range, so that a lost scrape does not start a long `for` anew', () => {
    if (minutes < 5) return;
    const unranged = namesIn(expr.replace(/absent\([^)]*\)/g, ''), { ranges: false });
    expect(unranged.filter((name) => name !== 'up')).toEqual([]);
  });
});
