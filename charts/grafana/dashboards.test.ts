import { describe, expect, test } from 'vitest';
import { alertGroups } from '../prometheus/rules/index.ts';
import { celery } from './dashboards/celery.ts';
import { platform } from './dashboards/platform.ts';

/** Counters that have no series before their first failure, which rate() and increase() therefore miss. */
const FAILURE_COUNTERS = [
  'celery_task_failed_total',
  'loki_discarded_samples_total',
  'otelcol_exporter_enqueue_failed_\\w+',
  'otelcol_exporter_send_failed_\\w+',
  'tempo_discarded_spans_total',
].join('|');

/** Consul's other metrics disappear `prometheus_retention_time` after their last change. */
const LASTING_CONSUL_METRICS = ['consul_autopilot_failure_tolerance', 'consul_autopilot_healthy', 'consul_server_isLeader'];

/** A query, with the properties of its panel that the rules below read. */
interface Query {
  readonly expr: string;
  /** The dashboard, the panel and the query; or the alert. */
  readonly location: string;
  readonly type?: string;
  readonly description?: string;
  readonly exemplar?: boolean;
}

const queries = [platform, celery].flatMap(({ uid, panels }) =>
  panels
    .filter(({ datasource }) => datasource?.type === 'prometheus')
    .flatMap(({ title, type, description, targets = [] }) =>
      targets.map(
        ({ refId, expr = '', exemplar }): Query => ({
          expr,
          location: `${uid}: ${title} ${refId}`,
          type,
          description,
          exemplar,
        }),
      ),
    ),
);
const alerts = alertGroups.flatMap(({ alerts }) => Object.entries(alerts).map(([location, { expr }]): Query => ({ location, expr })));

/** Mistakes that make a query show wrong values. */
const mistakes = {
  division: ({ expr }) =>
    expr
      .split(' / ')
      .slice(1)
      .some((divisor) => !parenthesis(divisor).endsWith('> 0')),
  firstFailure: ({ expr }) =>
    [...expr.matchAll(new RegExp(`(\\w+)\\(((?:${FAILURE_COUNTERS})(?:\\{[^}]*\\})?)\\[([^\\]]+)\\]\\)`, 'g'))].some(
      ([all, call, counter, range]) =>
        call !== 'increase' || !expr.includes(`(${counter} unless present_over_time(${counter}[${range}] offset ${range})) or ${all}`),
    ),
  vanishing: ({ expr }) =>
    [...expr.matchAll(/(last_over_time\()?\b(consul_\w+)/g)].some(([, held, name = '']) => !held && !LASTING_CONSUL_METRICS.includes(name)),
  exemplar: ({ expr, exemplar }) => /\btraces_\w+_bucket\b/.test(expr) && !exemplar,
  range: ({ expr, type }) => type === 'timeseries' && /\[(\d+s|(\d|1[0-4])m)\]/.test(expr),
  taskName: ({ expr, description = '' }) => /by \(name\b/.test(expr) && !expr.includes('name!="None"') && !/\bNone\b/.test(description),
} satisfies Readonly<Record<string, (query: Omit<Query, 'location'>) => boolean>>;

/** The content of the parenthesis at the start of a text; empty without one. */
function parenthesis(text: string): string {
  let open = 0;
  for (const [index, letter] of [...text].entries()) {
    open += letter === '(' ? 1 : letter === ')' ? -1 : 0;
    if (open === 0) return text.slice(1, index);
  }
  return '';
}

const wrong = (all: readonly Query[], mistake: (query: Query) => boolean) => all.filter(mistake).map(({ location }) => location);

describe('a dashboard', () => {
  test('divides by no value that may be 0, because 0/0 shows as NaN', () => expect(wrong(queries, mistakes.division)).toEqual([]));
  test('counts the first failure of each kind, and counts no failure again after a lost scrape', () =>
    expect(wrong(queries, mistakes.firstFailure)).toEqual([]));
  test('uses no metric that disappears', () => expect(wrong(queries, mistakes.vanishing)).toEqual([]));
  test('links span latencies to traces', () => expect(wrong(queries, mistakes.exemplar)).toEqual([]));
  test('uses $__rate_interval instead of a fixed range below 15 minutes', () => expect(wrong(queries, mistakes.range)).toEqual([]));
  test('excludes or explains the task None', () => expect(wrong(queries, mistakes.taskName)).toEqual([]));
});

test('no alert uses a metric that disappears', () => expect(wrong(alerts, mistakes.vanishing)).toEqual([]));

test('the table of alerts links to the actions, and shows a text when no alert fires', () => {
  const panel = platform.panels.find(({ title }) => title === 'Firing alerts');
  expect(panel).toMatchObject({ links: [{ url: '/alerting/list' }], fieldConfig: { defaults: { noValue: expect.any(String) } } });
});

const caught: readonly [keyof typeof mistakes, Omit<Query, 'location'>][] = [
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
test.each(caught)('the mistake %s is found in %o', (mistake, query) => expect(mistakes[mistake](query)).toBe(true));
