import type { RuleGroup } from './group.ts';

/** The Collector has one counter for each kind of thing that it carries, none of which ends in `_total`. */
const anyRate = (counter: string) =>
  ['spans', 'log_records', 'metric_points'].map((kind) => `rate(${counter}_${kind}[5m]) > 0`).join(' or ');

/** What watches the rest: it loses nothing unnoticed. */
export const telemetry: RuleGroup = {
  name: 'telemetry',
  rules: [
    {
      alert: 'CollectorQueueFills',
      expr: 'otelcol_exporter_queue_size / otelcol_exporter_queue_capacity > 0.8',
      for: '10m',
      labels: { severity: 'page' },
      annotations: {
        summary: 'Telemetry piles up before {{ $labels.exporter }}',
        description: 'Its queue on {{ $labels.instance }} is {{ $value | humanizePercentage }} full; once full, senders are refused.',
        action: "See whether the store behind it is up, and what it answers, in the Collector's log.",
      },
    },
    {
      alert: 'CollectorRefuses',
      expr: anyRate('otelcol_receiver_refused'),
      for: '5m',
      labels: { severity: 'page' },
      annotations: {
        summary: 'The Collector refuses telemetry',
        description: '{{ $labels.instance }} refuses {{ $value | printf "%.1f" }} items a second: a queue or its memory is full.',
        action: 'If a queue is full, mend the store behind it; if not, give the Collector more memory or replicas.',
      },
    },
    {
      alert: 'CollectorSendFails',
      expr: anyRate('otelcol_exporter_send_failed'),
      for: '10m',
      labels: { severity: 'ticket' },
      annotations: {
        summary: '{{ $labels.exporter }} drops telemetry',
        description: '{{ $value | printf "%.1f" }} items a second are refused for good by the store behind {{ $labels.exporter }}.',
        action: "The Collector's log has the answer of the store; a limit of its own is the usual reason.",
      },
    },
    {
      alert: 'TempoDiscardsSpans',
      expr: 'sum by (job, reason) (rate(tempo_discarded_spans_total[5m])) > 0',
      for: '10m',
      labels: { severity: 'ticket' },
      annotations: {
        summary: 'Tempo discards spans',
        description: '{{ $value | printf "%.1f" }} spans a second are discarded as {{ $labels.reason }}.',
        action: 'Raise the limit that the reason names, or stop the service that sends so much.',
      },
    },
    {
      alert: 'TempoSeriesLimit',
      expr: 'sum by (job) (rate(tempo_metrics_generator_registry_series_limited_total[5m])) > 0',
      for: '10m',
      labels: { severity: 'ticket' },
      annotations: {
        summary: 'Metrics made of spans are incomplete',
        description: 'The generator of {{ $labels.job }} has reached its limit: what is new is counted as one series, metric_overflow.',
        action: 'Look for span names that hold ids and have them fixed; else raise maxSeries.',
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
    {
      alert: 'LokiDiscardsLines',
      expr: 'sum by (job, reason) (rate(loki_discarded_samples_total[5m])) > 0',
      for: '10m',
      labels: { severity: 'ticket' },
      annotations: {
        summary: 'Loki discards log lines',
        description: '{{ $value | printf "%.1f" }} lines a second are discarded as {{ $labels.reason }}.',
        action: 'Raise the limit that the reason names, or quieten the service that writes so much.',
      },
    },
    {
      alert: 'LokiDiskFills',
      // A share, whatever its name says. From 0.9 on Loki refuses what it is sent.
      expr: 'loki_ingester_wal_disk_usage_percent > 0.8',
      for: '10m',
      labels: { severity: 'ticket' },
      annotations: {
        summary: 'The disk of Loki is almost full',
        description: '{{ $value | humanizePercentage }} of the disk of {{ $labels.instance }} is used; from 90% on it takes no lines.',
        action: 'Grow its volume or shorten the retention; the Collector keeps what is refused as long as its queue has room.',
      },
    },
    {
      alert: 'PrometheusRulesFail',
      expr: 'increase(prometheus_rule_evaluation_failures_total[10m]) > 0',
      for: '10m',
      labels: { severity: 'page' },
      annotations: {
        summary: 'Alerts are not evaluated',
        description: 'Rules of {{ $labels.rule_group }} fail: what they watch for would go unnoticed.',
        action: 'The page of rules in Prometheus shows the error beside the rule.',
      },
    },
    {
      alert: 'PrometheusDiskFills',
      // The limit is for all of this; the blocks alone may never come near it.
      expr: [
        '(prometheus_tsdb_storage_blocks_bytes + prometheus_tsdb_wal_storage_size_bytes + prometheus_tsdb_head_chunks_storage_size_bytes)',
        '/ (prometheus_tsdb_retention_limit_bytes > 0) > 0.9',
      ].join(' '),
      for: '1h',
      labels: { severity: 'ticket' },
      annotations: {
        summary: 'Prometheus is about to forget early',
        description: 'Its data take {{ $value | humanizePercentage }} of what they may; the oldest go before their time.',
        action: 'Grow its disk, shorten the retention, or drop the series that nobody reads.',
      },
    },
  ],
};
