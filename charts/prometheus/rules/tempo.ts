import { increase1h, increase10m } from './expressions.ts';
import type { AlertGroup } from './group.ts';

/** The trace store. Above some of its limits, and when its disk is full, Tempo drops spans and still answers OK. */
export const tempo: AlertGroup = {
  name: 'tempo',
  alerts: {
    TempoStoresNothing: {
      // A block is completed 30 minutes after its first span. Tempo does not count the spans that it loses because its disk is full.
      expr: [
        'sum by (job) (increase(tempo_distributor_spans_received_total[1h] offset 1h)) > 0',
        'and on (job) sum by (job) (increase(tempo_live_store_blocks_completed_total[2h])) == 0',
      ].join(' '),
      for: '10m',
      severity: 'page',
      summary: 'Tempo stores no traces',
      description: '{{ $labels.job }} received spans but has completed no block for 2 hours. If its disk is full, the spans are lost.',
      action: "Check whether its disk is full, then read the errors in Tempo's log.",
    },
    TempoBlockFails: {
      // After ten attempts Tempo abandons the block, and deletes it an hour after its last span.
      expr: `sum by (job) (${increase1h('tempo_live_store_failed_completions_total')})`,
      for: '0m',
      severity: 'ticket',
      summary: 'Tempo cannot complete a block',
      description: 'Completing a block failed {{ $value | printf "%.0f" }} times within an hour; after ten attempts its traces are lost.',
      action: "Read the error in Tempo's log and free disk space, then restart Tempo within the hour so that it retries.",
    },
    TempoFlushFails: {
      // Tempo retries every 30 s, without an end.
      expr: `sum by (job) (${increase10m('tempo_live_store_local_failed_flushes_total')})`,
      for: '30m',
      severity: 'ticket',
      summary: 'Tempo cannot upload its blocks',
      description:
        'Uploads of {{ $labels.job }} have failed for 30 minutes. The blocks accumulate on its disk; nothing is lost until it is full.',
      action: "Read the bucket's error in Tempo's log: its keys, its permissions or the network to it.",
    },
    TempoBackPressure: {
      // A few seconds are normal while a queue drains after an outage.
      expr: `sum by (job, reason) (${increase1h('tempo_live_store_back_pressure_seconds_total')}) > 60`,
      for: '0m',
      severity: 'ticket',
      summary: 'Tempo slows its senders down',
      description:
        'Senders waited {{ $value | printf "%.0f" }} s in total for {{ $labels.job }} within an hour, with the reason {{ $labels.reason }}: traces arrive late.',
      action: 'For waiting_for_live_traces, give Tempo more memory; for waiting_for_wal, a faster disk or more CPU.',
    },
    TempoMaintenanceFails: {
      // Compactions are retried, so one or two failures are harmless; retention runs once an hour. The two counters of compaction may
      // count the same failure, so they are not added.
      expr: [
        `sum by (job) (${increase1h('tempodb_retention_errors_total')})`,
        `or sum by (job) (${increase1h('tempodb_compaction_errors_total')}) > 2`,
        `or sum by (job) (${increase1h('tempo_backend_scheduler_jobs_failed_total')}) > 2`,
      ].join(' '),
      for: '0m',
      severity: 'ticket',
      summary: "Tempo's retention or compaction fails",
      description:
        '{{ $value | printf "%.0f" }} retention or compaction jobs failed within an hour: old traces are not deleted, and queries become slow.',
      action: "Read the error in Tempo's log; the usual cause is a missing permission to list or delete in the bucket.",
    },
    TempoDiscardsSpans: {
      expr: `sum by (job, reason) (${increase1h('tempo_discarded_spans_total')})`,
      for: '0m',
      severity: 'ticket',
      summary: 'Tempo discards spans',
      description:
        'Tempo refused {{ $value | printf "%.0f" }} spans within an hour, with the reason {{ $labels.reason }}. The Collector retries if that is rate_limited; otherwise the spans are lost.',
      action: 'Raise the limit that the reason names, or reduce what the noisiest service sends.',
    },
    TempoSeriesLimit: {
      expr: `sum by (job) (${increase1h('tempo_metrics_generator_registry_series_limited_total')})`,
      for: '0m',
      severity: 'ticket',
      summary: 'The span metrics have reached their series limit',
      description: 'The metrics generator of {{ $labels.job }} adds all new series to one with the label metric_overflow="true".',
      action: 'Remove ids from span names; if there are none, raise maxSeries.',
    },
    TempoSpansNotCounted: {
      expr: `sum by (job, reason) (${increase1h('tempo_metrics_generator_spans_discarded_total')})`,
      for: '0m',
      severity: 'ticket',
      summary: 'The span metrics lack spans',
      description:
        'Tempo stored {{ $value | printf "%.0f" }} spans within an hour without counting them in the span metrics, with the reason {{ $labels.reason }}.',
      action:
        'After an outage, do nothing: late spans are not counted, but their traces are stored. Otherwise look for a sender with a wrong clock.',
    },
    TempoMakesNoMetrics: {
      // Three settings have to agree: the generator's processors, its remote write, and Prometheus' remote-write receiver.
      expr: 'sum(rate(tempo_distributor_spans_received_total[15m])) > 0 unless on () sum(rate(traces_spanmetrics_calls_total[15m])) > 0',
      for: '15m',
      severity: 'ticket',
      summary: 'Tempo generates no span metrics',
      description:
        'Tempo receives {{ $value | printf "%.1f" }} spans per second, but no span metrics reach Prometheus: latency panels and the service map are empty.',
      action: "Look for failed remote writes in Tempo's log. If there are none, check that the generator's processors are configured.",
    },
  },
};
