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
        description: 'The generator of {{ $labels.job }} has reached its limit of series: new services and operations are missing.',
        action: 'Look for span names that hold ids and have them fixed; else raise maxSeries.',
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
      expr: 'prometheus_tsdb_storage_blocks_bytes / (prometheus_tsdb_retention_limit_bytes > 0) > 0.9',
      for: '1h',
      labels: { severity: 'ticket' },
      annotations: {
        summary: 'Prometheus is about to forget early',
        description: 'Its blocks take {{ $value | humanizePercentage }} of what they may; the oldest go before their time.',
        action: 'Grow its disk, shorten the retention, or drop the series that nobody reads.',
      },
    },
  ],
};
