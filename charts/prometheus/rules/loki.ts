import { increase1h, increase10m, last5m } from './expressions.ts';
import type { AlertGroup } from './group.ts';

/**
 * Time of the last successful retention and of the last successful compaction; both run every 10 minutes.
 * `loki_compactor_apply_retention_…` is 0 until a run succeeds; `loki_boltdb_shipper_compact_tables_…` has a series for runs with
 * retention and one for runs without.
 */
const RUNS = [
  'loki_compactor_apply_retention_last_successful_run_timestamp_seconds',
  'loki_boltdb_shipper_compact_tables_operation_last_successful_run_timestamp_seconds',
];

/** The log store. */
export const loki: AlertGroup = {
  name: 'loki',
  alerts: {
    LokiDiscardsLines: {
      expr: `sum by (job, reason) (${increase1h('loki_discarded_samples_total')})`,
      for: '0m',
      severity: 'ticket',
      summary: 'Loki discards log lines',
      description:
        'Loki refused {{ $value | printf "%.0f" }} lines within an hour, with the reason {{ $labels.reason }}. The Collector retries on a rate or stream limit; otherwise the lines are lost.',
      action: 'Raise the limit that the reason names, or reduce what the noisiest service logs.',
    },
    LokiDiskFills: {
      // A ratio, despite its name. Loki refuses pushes from 0.9.
      expr: `${last5m('loki_ingester_wal_disk_usage_percent')} > 0.8`,
      for: '10m',
      severity: 'ticket',
      summary: "Loki's disk is almost full",
      description: '{{ $value | humanizePercentage }} of the disk of {{ $labels.instance }} is used; Loki refuses all lines from 90%.',
      action: 'Expand its volume or shorten the retention. Until then the Collector queues the refused lines, while its queue has room.',
    },
    LokiFlushFails: {
      // The chunk stays in memory, and Loki retries.
      expr: `sum by (job) (${increase10m('loki_ingester_chunks_flush_failures_total')})`,
      for: '30m',
      severity: 'ticket',
      summary: 'Loki cannot store its chunks',
      description: '{{ $labels.job }} has failed to write chunks for 30 minutes: they accumulate in its memory and on its disk.',
      action: "Read the error in Loki's log: the bucket's keys or permissions, the network to it, or a full disk.",
    },
    LokiMaintenanceFails: {
      expr: RUNS.map((run) => `time() - max by (job) (${last5m(run)}) > 3 * 3600`).join(' or '),
      for: '1h',
      severity: 'ticket',
      summary: "Loki's retention or compaction fails",
      description:
        '{{ $labels.job }} has completed no retention or no compaction for over 3 hours: old lines are not deleted, and queries become slow.',
      action: "Read the compactor's errors in Loki's log; the usual cause is a missing permission to list or delete in the bucket.",
    },
    LokiPanics: {
      expr: `sum by (job) (${increase1h('loki_panic_total')})`,
      for: '0m',
      severity: 'ticket',
      summary: 'Loki panicked',
      description: '{{ $labels.job }} panicked {{ $value | printf "%.0f" }} times within an hour; each panic failed a request.',
      action: "Find the stack trace in Loki's log, look for it in Loki's issue tracker, and update Loki.",
    },
  },
};
