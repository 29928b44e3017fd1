import { risen, rising } from './expressions.ts';
import type { RuleGroup } from './group.ts';

/** The store of traces, which drops spans with an OK where a limit is reached or its disk is full. */
export const tempo: RuleGroup = {
  name: 'tempo',
  rules: [
    {
      alert: 'TempoStoresNothing',
      // A block is completed 30 minutes after its first span. Spans that are lost because the disk is full are not counted.
      expr: [
        'sum by (job) (increase(tempo_distributor_spans_received_total[1h] offset 1h)) > 0',
        'and on (job) sum by (job) (increase(tempo_live_store_blocks_completed_total[2h])) == 0',
      ].join(' '),
      for: '10m',
      labels: { severity: 'page' },
      annotations: {
        summary: 'Tempo stores no traces',
        description: '{{ $labels.job }} took spans in and has not completed a block for 2 hours. While its disk is full, they are lost.',
        action: "See whether its disk is full, then read Tempo's log for what fails.",
      },
    },
    {
      alert: 'TempoBlockFails',
      // After ten attempts Tempo gives the block up, and deletes it an hour after its last span.
      expr: `sum by (job) (${risen('tempo_live_store_failed_completions_total')})`,
      for: '0m',
      labels: { severity: 'ticket' },
      annotations: {
        summary: 'Tempo cannot complete a block',
        description: 'Completing a block failed {{ $value | printf "%.0f" }} times within an hour; after ten times its traces are lost.',
        action: "Tempo's log has the reason: make room on its disk, and restart it within the hour, which makes it try again.",
      },
    },
    {
      alert: 'TempoFlushFails',
      // Tempo tries again every 30 s, for ever.
      expr: `sum by (job) (${rising('tempo_live_store_local_failed_flushes_total')})`,
      for: '30m',
      labels: { severity: 'ticket' },
      annotations: {
        summary: 'Tempo cannot upload its blocks',
        description:
          'Uploads of {{ $labels.job }} have failed for half an hour. The blocks pile up on its disk; nothing is lost until that is full.',
        action: "Tempo's log has the answer of the bucket: its keys, its rights or the way to it.",
      },
    },
    {
      alert: 'TempoHoldsBack',
      // A few seconds are usual when a queue is drained after an outage.
      expr: `sum by (job, reason) (${risen('tempo_live_store_back_pressure_seconds_total')}) > 60`,
      for: '0m',
      labels: { severity: 'ticket' },
      annotations: {
        summary: 'Tempo makes its senders wait',
        description: 'Within an hour senders waited {{ $value | printf "%.0f" }} s in all for {{ $labels.job }}: {{ $labels.reason }}.',
        action: 'If the reason is waiting_for_live_traces, give Tempo more memory; if it is waiting_for_wal, a faster disk or more CPU.',
      },
    },
    {
      alert: 'TempoMaintenanceFails',
      // A failed compaction is repeated, so one or two are harmless; retention runs once an hour. Both of the counters of compaction
      // may count the same failure, so they are not added.
      expr: [
        `sum by (job) (${risen('tempodb_retention_errors_total')})`,
        `or sum by (job) (${risen('tempodb_compaction_errors_total')}) > 2`,
        `or sum by (job) (${risen('tempo_backend_scheduler_jobs_failed_total')}) > 2`,
      ].join(' '),
      for: '0m',
      labels: { severity: 'ticket' },
      annotations: {
        summary: "Tempo's retention or compaction fails",
        description:
          '{{ $value | printf "%.0f" }} jobs of retention or compaction failed within an hour: old traces stay, and searches get slow.',
        action: "Tempo's log has the reason; the rights to delete and to list in the bucket are the usual one.",
      },
    },
    {
      alert: 'TempoDiscardsSpans',
      expr: `sum by (job, reason) (${risen('tempo_discarded_spans_total')})`,
      for: '0m',
      labels: { severity: 'ticket' },
      annotations: {
        summary: 'Tempo discards spans',
        description:
          '{{ $value | printf "%.0f" }} spans were refused within an hour: {{ $labels.reason }}. The Collector sends them again if that is rate_limited; otherwise they are lost.',
        action: 'Raise the limit that the reason names, or stop the service that sends so much.',
      },
    },
    {
      alert: 'TempoSeriesLimit',
      expr: `sum by (job) (${risen('tempo_metrics_generator_registry_series_limited_total')})`,
      for: '0m',
      labels: { severity: 'ticket' },
      annotations: {
        summary: 'Metrics made of spans are incomplete',
        description:
          'The generator of {{ $labels.job }} has reached its limit: new series are counted together as one, with the label metric_overflow="true".',
        action: 'Look for span names that hold ids and have them fixed; else raise maxSeries.',
      },
    },
    {
      alert: 'TempoSpansNotCounted',
      expr: `sum by (job, reason) (${risen('tempo_metrics_generator_spans_discarded_total')})`,
      for: '0m',
      labels: { severity: 'ticket' },
      annotations: {
        summary: 'Metrics made of spans lack some of them',
        description:
          '{{ $value | printf "%.0f" }} spans were stored within an hour, but not counted: {{ $labels.reason }}. They came too late, as after an outage.',
        action: 'After an outage do nothing: the traces are there. Otherwise look for a sender whose clock is wrong.',
      },
    },
    {
      alert: 'TempoMakesNoMetrics',
      // Three settings have to agree: the generator's processors, its remote write, and Prometheus' receiver of that.
      expr: 'sum(rate(tempo_distributor_spans_received_total[15m])) > 0 unless on () sum(rate(traces_spanmetrics_calls_total[15m])) > 0',
      for: '15m',
      labels: { severity: 'ticket' },
      annotations: {
        summary: 'No metrics are made of spans',
        description: 'Tempo takes in {{ $value | printf "%.1f" }} spans a second, and nothing of them arrives in Prometheus.',
        action: "Look for failed remote writes in Tempo's log; without any, its generator runs without processors.",
      },
    },
  ],
};
