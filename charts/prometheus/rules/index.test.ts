import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { community } from '../../arangodb/community.ts';
import { increase1h, increase10m } from './expressions.ts';
import { ruleGroup } from './group.ts';
import { alertGroups } from './index.ts';

interface Case {
  readonly name: string;
  readonly input_series: readonly { readonly series: string }[];
  readonly promql_expr_test: readonly { readonly exp_samples: readonly { readonly labels: string }[] }[];
}

const cases: readonly Case[] = parse(readFileSync(join(import.meta.dirname, 'promtool-tests.yaml'), 'utf8')).tests;
const rules = alertGroups.flatMap((group) => ruleGroup(group).rules);

/** The names of the series in an expression; `ranges` includes those that are read as a range. */
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

  test('reads only series of the case `a healthy platform`, in which no alert fires', () => {
    const healthy = cases.find(({ name }) => name === 'a healthy platform');
    const series = new Set(healthy?.input_series.map((each) => each.series.replace(/\{.*/, '')));
    expect(namesIn(expr).filter((name) => !series.has(name))).toEqual([]);
  });
});

describe.each([...rules, ...ruleGroup(community).rules])('the expression of $alert', ({ expr, for: duration }) => {
  const minutes = Number.parseInt(duration, 10) * (duration.endsWith('h') ? 60 : 1);

  test('reads failure counters by increase1h or increase10m only: a counter that appears with its first failure has no rate', () => {
    const counters = [...expr.matchAll(/\b(?:rate|increase|delta)\(([^[]*)\[/g)].map(([, counter = '']) => counter);
    const rest = counters.reduce((text, counter) => text.replaceAll(increase1h(counter), '').replaceAll(increase10m(counter), ''), expr);
    expect(rest.match(/\b(rate|increase|delta)\(\w*(fail|error|refuse|reject|discard|drop|evict|limited|pressure|panic)\w*/)).toBeNull();
  });

  test('has a `for` of 0 with increase1h, and a longer one than the range with increase10m', () => {
    if (expr.includes('[30m] offset 1h')) expect(minutes).toBe(0);
    else if (/increase\(\w+\[10m\]\) > 0/.test(expr)) expect(minutes).toBeGreaterThan(10);
  });

  test('reads only `up` without a range, so that a lost scrape does not restart a long `for`', () => {
    if (minutes < 5) return;
    const unranged = namesIn(expr.replace(/absent\([^)]*\)/g, ''), { ranges: false });
    expect(unranged.filter((name) => name !== 'up')).toEqual([]);
  });
});
