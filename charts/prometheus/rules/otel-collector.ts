import { increase1h, increase10m, last5m } from './expressions.ts';
import type { AlertGroup } from './group.ts';

/** Applies `expression` to each of the Collector's counters: one for each signal, none with the suffix `_total`. */
const anyOf = (counter: string, expression: (counter: string) => string) =>
  ['spans', 'log_records', 'metric_points'].map((signal) => expression(`${counter}_${signal}`)).join(' or ');

const REFUSED = 'otelcol_receiver_refused';

/** The Collector, which delivers all telemetry to the stores. */
export const otelCollector: AlertGroup = {
  name: 'otel-collector',
  alerts: {
    CollectorMissing: {
      // Prometheus discovers collectors by DNS. A collector whose pod is not scheduled has no address, and so no `up` series.
      expr: 'count(up{job="otel-collector"} == 1) < max_over_time(count(up{job="otel-collector"} == 1)[1d:5m])',
      for: '15m',
      severity: 'ticket',
      summary: 'A collector is missing',
      description:
        '{{ $value | printf "%.0f" }} collectors answer, fewer than within the last day. The queue of a missing collector stays on its disk.',
      action: 'Check why its pod is not scheduled or does not start. If you removed a collector, the alert ends within a day.',
    },
    CollectorQueueFills: {
      expr: `${last5m('otelcol_exporter_queue_size')} / ${last5m('otelcol_exporter_queue_capacity')} > 0.8`,
      for: '10m',
      severity: 'page',
      summary: 'The queue of {{ $labels.exporter }} is almost full',
      description:
        'It is {{ $value | humanizePercentage }} full on {{ $labels.instance }}. When it is full, the Collector refuses telemetry.',
      action: "Check that its store is up, and read the store's errors in the Collector's log.",
    },
    CollectorStuck: {
      // 30 minutes are the range plus `for`. A batch that its store never accepts is retried forever and blocks one of the exporter's consumers.
      expr: [
        `min by (job, instance, exporter) (min_over_time(otelcol_exporter_queue_size[15m])) > 0`,
        `unless on (job, instance, exporter) (${anyOf('otelcol_exporter_sent', (counter) => `increase(${counter}[15m]) > 0`)})`,
      ].join(' '),
      for: '15m',
      severity: 'ticket',
      summary: '{{ $labels.exporter }} sends nothing',
      description: '{{ $labels.exporter }} on {{ $labels.instance }} has sent nothing for 30 minutes although its queue is not empty.',
      action:
        "Check that the store is up. If it is, read its error in the Collector's log: a batch above one of its limits is never accepted, so raise that limit.",
    },
    CollectorRefuses: {
      // A full queue or disk is also counted by the exporter; a full memory only by the receiver.
      expr: [
        `sum by (job, instance) (${anyOf(REFUSED, increase1h)})`,
        `or sum by (job, instance) (${anyOf('otelcol_exporter_enqueue_failed', increase1h)})`,
      ].join(' '),
      for: '0m',
      severity: 'ticket',
      summary: 'The Collector refused telemetry',
      description:
        '{{ $labels.instance }} refused {{ $value | printf "%.0f" }} items within an hour because a queue, its disk or the memory was full. Senders retry for seconds only, then drop the items.',
      action: 'If a queue is full, repair its store; if the disk is full, expand it; otherwise give the Collector more memory.',
    },
    CollectorKeepsRefusing: {
      expr: `max by (job, instance) (${anyOf(REFUSED, increase10m)})`,
      for: '20m',
      severity: 'page',
      summary: 'The Collector keeps refusing telemetry',
      description: '{{ $labels.instance }} has refused items for 20 minutes: the senders drop them.',
      action: 'If a queue is full, repair its store; if the disk is full, expand it; otherwise give the Collector more memory.',
    },
    CollectorSendFails: {
      expr: `sum by (job, instance, exporter) (${anyOf('otelcol_exporter_send_failed', increase1h)})`,
      for: '0m',
      severity: 'ticket',
      summary: '{{ $labels.exporter }} dropped telemetry',
      description:
        '{{ $labels.instance }} dropped {{ $value | printf "%.0f" }} items within an hour because the store refused them permanently.',
      action: "Read the store's error in the Collector's log; the usual cause is one of the store's limits.",
    },
  },
};
