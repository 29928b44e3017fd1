import { latest, rising } from './expressions.ts';
import type { RuleGroup } from './group.ts';

const USED = [
  'prometheus_tsdb_storage_blocks_bytes',
  'prometheus_tsdb_wal_storage_size_bytes',
  'prometheus_tsdb_head_chunks_storage_size_bytes',
];

/** The store of metrics, which evaluates these rules. */
export const prometheus: RuleGroup = {
  name: 'prometheus',
  rules: [
    {
      alert: 'PrometheusRulesFail',
      // A single failed evaluation is harmless: the next is a minute later.
      expr: rising('prometheus_rule_evaluation_failures_total'),
      for: '15m',
      labels: { severity: 'page' },
      annotations: {
        summary: 'Alerts are not evaluated',
        description: 'Rules of {{ $labels.rule_group }} fail: what these rules watch for goes unnoticed.',
        action: 'The page of rules in Prometheus shows the error beside the rule.',
      },
    },
    {
      alert: 'PrometheusDiskFills',
      // The limit is for all of this; the blocks alone may never come near it.
      expr: `(${USED.map(latest).join(' + ')}) / (${latest('prometheus_tsdb_retention_limit_bytes')} > 0) > 0.9`,
      for: '1h',
      labels: { severity: 'ticket' },
      annotations: {
        summary: 'Prometheus soon deletes samples before the retention ends',
        description:
          'Its data take {{ $value | humanizePercentage }} of the limit; at the limit Prometheus deletes the oldest, before the retention ends.',
        action: 'Grow its disk, shorten the retention, or drop the series that nobody reads.',
      },
    },
  ],
};
