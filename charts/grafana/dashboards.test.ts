import { describe, expect, test } from 'vitest';
import { ruleGroups } from '../prometheus/rules/index.ts';
import celery from './dashboards/celery.json' with { type: 'json' };
import platform from './dashboards/platform.json' with { type: 'json' };

/** Counters that have no series before the first failure: rate() and increase() do not see it. */
const BORN_WITH_A_FAILURE = [
  'celery_task_failed_total',
  'loki_discarded_samples_total',
  'otelcol_exporter_enqueue_failed_\\w+',
  'otelcol_exporter_send_failed_\\w+',
  'tempo_discarded_spans_total',
].join('|');

/** What Consul shows at all times. Its other metrics disappear `prometheus_retention_time` after their last change. */
const LASTING_OF_CONSUL = ['consul_autopilot_failure_tolerance', 'consul_autopilot_healthy', 'consul_server_isLeader'];

/** One query of a panel, with what the rules below ask about the panel. */
interface Query {
  readonly expr: string;
  readonly at?: string;
  readonly type?: string;
  readonly description?: string;
  readonly exemplar?: boolean;
}

/** A panel as Grafana reads it, whatever each of the JSON files leaves out. */
interface Panel extends Omit<Query, 'expr'> {
  readonly id: number;
  readonly datasource?: { readonly type: string };
  readonly targets?: readonly { readonly refId: string; readonly expr?: string; readonly exemplar?: boolean }[];
}

const queries = [platform, celery].flatMap(({ uid, panels }) =>
  (panels as readonly Panel[])
    .filter(({ datasource }) => datasource?.type === 'prometheus')
    .flatMap(({ id, targets = [], ...panel }) =>
      targets.map(({ refId, expr = '', ...target }): Query => ({ ...panel, ...target, expr, at: `${uid} ${id}${refId}` })),
    ),
);
const alerts = ruleGroups.flatMap(({ rules }) => rules.map(({ alert, expr }): Query => ({ at: alert, expr })));

/** What makes a query show something false. */
const mistakes = {
  division: ({ expr }) =>
    expr
      .split(' / ')
      .slice(1)
      .some((divisor) => !parenthesis(divisor).endsWith('> 0')),
  firstFailure: ({ expr }) =>
    [...expr.matchAll(new RegExp(`(\\w+)\\(((?:${BORN_WITH_A_FAILURE})(?:\\{[^}]*\\})?)\\[([^\\]]+)\\]\\)`, 'g'))].some(
      ([all, call, counter, range]) =>
        call !== 'increase' || !expr.includes(`(${counter} unless present_over_time(${counter}[${range}] offset ${range})) or ${all}`),
    ),
  vanishing: ({ expr }) =>
    [...expr.matchAll(/(last_over_time\()?\b(consul_\w+)/g)].some(([, held, name = '']) => !held && !LASTING_OF_CONSUL.includes(name)),
  exemplar: ({ expr, exemplar }) => /\btraces_\w+_bucket\b/.test(expr) && !exemplar,
  range: ({ expr, type }) => type === 'timeseries' && /\[(\d+s|(\d|1[0-4])m)\]/.test(expr),
  taskName: ({ expr, description = '' }) => /by \(name\b/.test(expr) && !expr.includes('name!="None"') && !/\bNone\b/.test(description),
} satisfies Readonly<Record<string, (query: Query) => boolean>>;

/** The content of the parenthesis that a text begins with, or nothing. */
function parenthesis(text: string): string {
  let open = 0;
  for (const [at, letter] of [...text].entries()) {
    open += letter === '(' ? 1 : letter === ')' ? -1 : 0;
    if (open === 0) return text.slice(1, at);
  }
  return '';
}

const wrong = (all: readonly Query[], mistake: (query: Query) => boolean) => all.filter(mistake).map(({ at }) => at);

describe('a dashboard', () => {
  test('divides by nothing that may be 0, since 0/0 shows as NaN', () => expect(wrong(queries, mistakes.division)).toEqual([]));
  test('shows the first failure of each kind, and shows no old one again after a lost scrape', () =>
    expect(wrong(queries, mistakes.firstFailure)).toEqual([]));
  test('asks for no metric that disappears', () => expect(wrong(queries, mistakes.vanishing)).toEqual([]));
  test('leads from the latencies of spans to traces', () => expect(wrong(queries, mistakes.exemplar)).toEqual([]));
  test('has $__rate_interval in place of a range below 15 minutes', () => expect(wrong(queries, mistakes.range)).toEqual([]));
  test('leaves out the task None, or says what it is', () => expect(wrong(queries, mistakes.taskName)).toEqual([]));
});

test('no alert depends on a metric that disappears', () => expect(wrong(alerts, mistakes.vanishing)).toEqual([]));

test('the table of alerts leads to what to do, and is not just empty when none fires', () => {
  const panel = platform.panels.find(({ title }) => title === 'Alerts that fire');
  expect(panel).toMatchObject({ links: [{ url: '/alerting/list' }], fieldConfig: { defaults: { noValue: expect.any(String) } } });
});

const seen: readonly [keyof typeof mistakes, Query][] = [
  ['division', { expr: 'a / b' }],
  ['division', { expr: 'a / (b > 0) / (c)' }],
  ['division', { expr: '(a) / ((b) + (c))' }],
  ['firstFailure', { expr: 'sum(rate(celery_task_failed_total{exception!=""}[5m]))' }],
  ['firstFailure', { expr: 'increase(otelcol_exporter_send_failed_spans[1h])' }],
  [
    'firstFailure',
    {
      expr: '(tempo_discarded_spans_total unless present_over_time(tempo_discarded_spans_total[1h] offset 1h)) or increase(tempo_discarded_spans_total[2h])',
    },
  ],
  [
    'firstFailure',
    { expr: '(loki_discarded_samples_total unless loki_discarded_samples_total offset 1h) or increase(loki_discarded_samples_total[1h])' },
  ],
  ['vanishing', { expr: 'max(consul_raft_peers)' }],
  ['vanishing', { expr: 'consul_raft_commitTime{quantile="0.99"}' }],
  ['exemplar', { expr: 'rate(traces_spanmetrics_latency_bucket[15m])' }],
  ['range', { expr: 'rate(x[14m])', type: 'timeseries' }],
  ['range', { expr: 'rate(x[90s])', type: 'timeseries' }],
  ['taskName', { expr: 'sum by (name) (x)' }],
];
test.each(seen)('the mistake %s is found in %o', (mistake, query) => expect(mistakes[mistake](query)).toBe(true));
