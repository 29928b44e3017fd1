import { latest, risen, rising } from './expressions.ts';
import type { RuleGroup } from './group.ts';

/**
 * When retention and compaction last succeeded; both run every 10 minutes. `loki_compactor_apply_retention_…` is 0 until a run succeeds;
 * `loki_boltdb_shipper_compact_tables_…` has one series for runs with retention and one for runs without.
 */
const RUNS = [
  'loki_compactor_apply_retention_last_successful_run_timestamp_seconds',
  'loki_boltdb_shipper_compact_tables_operation_last_successful_run_timestamp_seconds',
];

/** The store of log lines. */
export const loki: RuleGroup = {
  name: 'loki',
  rules: [
    {
      alert: 'LokiDiscardsLines',
      expr: `sum by (job, reason) (${risen('loki_discarded_samples_total')})`,
      for: '0m',
      labels: { severity: 'ticket' },
      annotations: {
        summary: 'Loki discards log lines',
        description:
          '{{ $value | printf "%.0f" }} lines were refused within an hour: {{ $labels.reason }}. The Collector sends them again if that is a limit of rate or of streams; otherwise they are lost.',
        action: 'Raise the limit that the reason names, or quieten the service that writes so much.',
      },
    },
    {
      alert: 'LokiDiskFills',
      // A share, whatever its name says. From 0.9 on Loki refuses what it is sent.
      expr: `${latest('loki_ingester_wal_disk_usage_percent')} > 0.8`,
      for: '10m',
      labels: { severity: 'ticket' },
      annotations: {
        summary: 'The disk of Loki is almost full',
        description: '{{ $value | humanizePercentage }} of the disk of {{ $labels.instance }} is used; from 90% on it takes no lines.',
        action: 'Grow its volume or shorten the retention; the Collector keeps what is refused as long as its queue has room.',
      },
    },
    {
      alert: 'LokiFlushFails',
      // The chunk stays in memory, and Loki tries again.
      expr: `sum by (job) (${rising('loki_ingester_chunks_flush_failures_total')})`,
      for: '30m',
      labels: { severity: 'ticket' },
      annotations: {
        summary: 'Loki cannot store its chunks',
        description: '{{ $labels.job }} has failed to write chunks for half an hour: they pile up in its memory and on its disk.',
        action: "Loki's log has the reason: the bucket's keys or rights, the way to it, or a full disk.",
      },
    },
    {
      alert: 'LokiMaintenanceFails',
      expr: RUNS.map((run) => `time() - max by (job) (${latest(run)}) > 3 * 3600`).join(' or '),
      for: '1h',
      labels: { severity: 'ticket' },
      annotations: {
        summary: "Loki's retention or compaction does not succeed",
        description:
          'The last successful compaction or retention of {{ $labels.job }} is over 3 hours old, or there was none since it started: old lines stay, and searches get slow.',
        action: "Look for the compactor's errors in Loki's log; the rights to delete and to list in the bucket are the usual reason.",
      },
    },
    {
      alert: 'LokiPanics',
      expr: `sum by (job) (${risen('loki_panic_total')})`,
      for: '0m',
      labels: { severity: 'ticket' },
      annotations: {
        summary: 'Loki panicked',
        description: '{{ $labels.job }} panicked {{ $value | printf "%.0f" }} times within an hour; each time it failed a request.',
        action: "Loki's log has the stack; look for it among Loki's issues, and update.",
      },
    },
  ],
};
