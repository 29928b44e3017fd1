import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import type { Suite } from './check.ts';
import { editFile } from './manifests.ts';
import { dashboards, dataSources } from './provisioning.ts';
import type { Sandbox } from './sandbox.ts';

/** The counters of failures that panels show. */
const FAILURES = ['celery_task_failed_total', 'tempo_discarded_spans_total', 'loki_discarded_samples_total'];

/** Every query to Prometheus, with values for the variables of Grafana. */
function queries(sandbox: Sandbox): readonly string[] {
  const targets = dashboards(sandbox).flatMap(({ panels, annotations }) => {
    const ofPanels = panels.filter(({ datasource }) => datasource?.type === 'prometheus').flatMap(({ targets = [] }) => targets);
    return [...ofPanels, ...annotations.list].map(({ expr }) => expr);
  });
  const links = dataSources(sandbox).flatMap(({ jsonData }) => jsonData.tracesToMetrics?.queries ?? []);
  return [...targets, ...links.map(({ query }) => query)].map((query) =>
    query.replaceAll('$__rate_interval', '2m').replaceAll('$__tags', 'service="shop"'),
  );
}

/** A test of promtool for each query about failures, whose counters have the given values every 30 s. */
function failureTests(sandbox: Sandbox, values: string, expectation: (query: string) => object): object {
  const tested = queries(sandbox).filter((query) => FAILURES.some((counter) => query.includes(counter)));
  assert.ok(tested.length >= FAILURES.length, 'there are no queries about failures');
  const labels = '{name="send",exception="ValueError",reason="limit"}';
  const input_series = FAILURES.map((counter) => ({ series: `${counter}${labels}`, values }));
  return { tests: [{ interval: '30s', input_series, promql_expr_test: tested.map(expectation) }] };
}

/** Runs promtool with a file. Throws the line of its output that names the fault. */
async function promtool(sandbox: Sandbox, command: 'check' | 'test', content: object): Promise<void> {
  const pod = sandbox.pod('grafana');
  writeFileSync(pod.file('/tmp/queries.json'), JSON.stringify(content));
  const { status, output } = await pod.exec(['promtool', command, 'rules', '/tmp/queries.json']);
  assert.equal(status, 0, output.split('\n').find((line) => /expr:|parse/.test(line)) ?? output);
}

export const grafanaQueries: Suite = {
  name: 'grafana queries',
  programs: ['promtool'],
  checks: [
    {
      name: 'Prometheus can parse every query of a dashboard and of a data source',
      async run(sandbox) {
        const rules = queries(sandbox).map((expr, index) => ({ record: `query_${index}`, expr }));
        assert.ok(rules.length > 30, 'there are no queries');
        await promtool(sandbox, 'check', { groups: [{ name: 'queries', rules }] });
      },
      broken: { edit: editFile('grafana-dashboards', 'platform.json', 'min by (job) (up)', 'min by (job (up)'), error: /parse error/ },
    },
    {
      name: 'Every panel that counts failures shows a failure with which its counter starts',
      async run(sandbox) {
        const shown = (query: string) => ({ expr: `count((${query}) > 0)`, eval_time: '5m', exp_samples: [{ labels: '{}', value: 1 }] });
        // The series is absent for four and a half minutes, then 1.
        await promtool(sandbox, 'test', failureTests(sandbox, '_x9 1x20', shown));
      },
      broken: {
        edit: editFile('grafana-dashboards', 'platform.json', /\(tempo_discarded_spans_total unless [^)]*\)\) or /, ''),
        error: /expr: .*tempo_discarded_spans_total/,
      },
    },
    {
      name: 'No panel shows a failure of more than half an hour ago after a missed scrape',
      async run(sandbox) {
        const hidden = (query: string) => ({ expr: `count_over_time(((${query}) > 0)[25m:30s])`, eval_time: '60m', exp_samples: [] });
        // The series is 1 from the start; the scrape of minute 40 is missed.
        await promtool(sandbox, 'test', failureTests(sandbox, '1x79 stale 1x60', hidden));
      },
      broken: {
        edit: editFile(
          'grafana-dashboards',
          'platform.json',
          /unless present_over_time\((tempo_discarded_spans_total)\[\$__rate_interval\] offset \$__rate_interval\)/,
          'unless $1 offset $__rate_interval',
        ),
        error: /expr: .*tempo_discarded_spans_total/,
      },
    },
  ],
};
