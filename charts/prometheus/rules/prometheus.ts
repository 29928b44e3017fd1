import { increase10m, last5m } from './expressions.ts';
import type { AlertGroup } from './group.ts';

const USED = [
  'prometheus_tsdb_storage_blocks_bytes',
  'prometheus_tsdb_wal_storage_size_bytes',
  'prometheus_tsdb_head_chunks_storage_size_bytes',
];

/** The metrics store, which evaluates these rules. */
export const prometheus: AlertGroup = {
  name: 'prometheus',
  alerts: {
    PrometheusRulesFail: {
      // A single failed evaluation is harmless: the next follows a minute later.
      expr: increase10m('prometheus_rule_evaluation_failures_total'),
      for: '15m',
      severity: 'page',
      summary: 'Alerting rules fail',
      description: 'Rules of {{ $labels.rule_group }} fail to evaluate: their alerts cannot fire.',
      action: 'Read the error beside the rule on the Rules page of Prometheus.',
    },
    PrometheusDiskFills: {
      // The limit applies to the sum; the blocks alone may never reach it.
      expr: `(${USED.map(last5m).join(' + ')}) / (${last5m('prometheus_tsdb_retention_limit_bytes')} > 0) > 0.9`,
      for: '1h',
      severity: 'ticket',
      summary: "Prometheus' data almost reach their size limit",
      description:
        'They use {{ $value | humanizePercentage }} of the limit. At the limit, Prometheus deletes the oldest samples before their retention ends.',
      action: 'Expand its disk, shorten the retention, or drop unused series.',
    },
  },
};
