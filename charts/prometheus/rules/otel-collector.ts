import { latest, risen, rising } from './expressions.ts';
import type { RuleGroup } from './group.ts';

/** The Collector has one counter for each kind of item, none of which ends in `_total`. */
const anyOf = (counter: string, expression: (counter: string) => string) =>
  ['spans', 'log_records', 'metric_points'].map((kind) => expression(`${counter}_${kind}`)).join(' or ');

const REFUSED = 'otelcol_receiver_refused';

/** What carries all telemetry to its stores. */
export const otelCollector: RuleGroup = {
  name: 'otel-collector',
  rules: [
    {
      alert: 'CollectorMissing',
      // Prometheus finds collectors in DNS, where one whose pod cannot be scheduled does not appear: it has no `up` that could be 0.
      expr: 'count(up{job="otel-collector"} == 1) < max_over_time(count(up{job="otel-collector"} == 1)[1d:5m])',
      for: '15m',
      labels: { severity: 'ticket' },
      annotations: {
        summary: 'A collector is missing',
        description:
          '{{ $value | printf "%.0f" }} collectors answer, fewer than within the last day. What a missing one has queued waits on its disk.',
        action: 'See why its pod is not scheduled or does not start. If there are to be fewer, the alert ends within a day.',
      },
    },
    {
      alert: 'CollectorQueueFills',
      expr: `${latest('otelcol_exporter_queue_size')} / ${latest('otelcol_exporter_queue_capacity')} > 0.8`,
      for: '10m',
      labels: { severity: 'page' },
      annotations: {
        summary: 'Telemetry piles up before {{ $labels.exporter }}',
        description: 'Its queue on {{ $labels.instance }} is {{ $value | humanizePercentage }} full; once full, senders are refused.',
        action: "See whether the store behind it is up, and what it answers, in the Collector's log.",
      },
    },
    {
      alert: 'CollectorStuck',
      // Half an hour is the range plus `for`. A batch that its store never takes is retried for ever and occupies one of the exporter's senders.
      expr: [
        `min by (job, instance, exporter) (min_over_time(otelcol_exporter_queue_size[15m])) > 0`,
        `unless on (job, instance, exporter) (${anyOf('otelcol_exporter_sent', (counter) => `increase(${counter}[15m]) > 0`)})`,
      ].join(' '),
      for: '15m',
      labels: { severity: 'ticket' },
      annotations: {
        summary: '{{ $labels.exporter }} sends nothing',
        description: 'For half an hour the queue of {{ $labels.exporter }} on {{ $labels.instance }} was never empty and nothing was sent.',
        action:
          "If the store is up, the Collector's log has its answer: a batch above a limit of the store is never taken, so raise that limit.",
      },
    },
    {
      alert: 'CollectorRefuses',
      // What a full queue or its full disk refuses is counted by the exporter too; what a full memory refuses, by the receiver only.
      expr: [
        `sum by (job, instance) (${anyOf(REFUSED, risen)})`,
        `or sum by (job, instance) (${anyOf('otelcol_exporter_enqueue_failed', risen)})`,
      ].join(' '),
      for: '0m',
      labels: { severity: 'ticket' },
      annotations: {
        summary: 'The Collector refused telemetry',
        description:
          '{{ $labels.instance }} refused {{ $value | printf "%.0f" }} items within an hour: a queue, its disk or the memory was full. Senders try again for seconds only.',
        action:
          'If a queue is full, mend the store behind it; if its disk is, grow the disk; if neither is, give the Collector more memory.',
      },
    },
    {
      alert: 'CollectorKeepsRefusing',
      expr: `max by (job, instance) (${anyOf(REFUSED, rising)})`,
      for: '20m',
      labels: { severity: 'page' },
      annotations: {
        summary: 'The Collector keeps refusing telemetry',
        description: '{{ $labels.instance }} has refused items for 20 minutes: its senders give up and drop them.',
        action:
          'If a queue is full, mend the store behind it; if its disk is, grow the disk; if neither is, give the Collector more memory.',
      },
    },
    {
      alert: 'CollectorSendFails',
      expr: `sum by (job, instance, exporter) (${anyOf('otelcol_exporter_send_failed', risen)})`,
      for: '0m',
      labels: { severity: 'ticket' },
      annotations: {
        summary: '{{ $labels.exporter }} dropped telemetry',
        description:
          'Within an hour {{ $labels.instance }} dropped {{ $value | printf "%.0f" }} items that the store behind {{ $labels.exporter }} refused for good.',
        action: "The Collector's log has the answer of the store; a limit of its own is the usual reason.",
      },
    },
  ],
};
