import { increase1h, increase10m, last5m } from './expressions.ts';
import type { AlertGroup } from './group.ts';

const FAILED = increase1h('celery_task_failed_total{exception!=""}');

/** Tasks that wait or fail, which users of the app notice. */
export const celery: AlertGroup = {
  name: 'celery',
  alerts: {
    CeleryMetricsMissing: {
      // First part: after an outage of the broker, every scrape may fail until the exporter is restarted; RedisDown pages during the outage.
      // Second part: the exporter's connection for events may hang while scrapes succeed. The workers then still answer its pings, but none
      // counts as up, because heartbeats are events.
      expr: [
        `absent(celery_queue_length) and on () ${last5m('redis_up{job="redis"}')} == 1`,
        `or sum(${last5m('celery_active_worker_count')}) > 0 unless on () sum(${last5m('celery_worker_up')}) > 0`,
      ].join(' '),
      for: '10m',
      severity: 'page',
      summary: 'Celery metrics are missing',
      description: 'celery-exporter has received no queue lengths or no worker events for 10 minutes: no other alert on tasks can fire.',
      action:
        'Restart celery-exporter, which does not always reconnect after an outage of the broker. If that does not help, read its log.',
    },
    CeleryNoWorker: {
      expr: `${last5m('celery_queue_length')} > 0 and on (queue_name) ${last5m('celery_active_worker_count')} == 0`,
      for: '5m',
      severity: 'page',
      summary: 'The queue {{ $labels.queue_name }} has no worker',
      description:
        '{{ $value | printf "%.0f" }} tasks wait in {{ $labels.queue_name }}, and none of its workers has answered for 5 minutes.',
      action: 'Check that the workers run and reach the broker. The waiting tasks are safe in the broker.',
    },
    CeleryQueueGrows: {
      expr: `${last5m('celery_queue_length')} > 100 and deriv(celery_queue_length[30m]) > 0`,
      for: '30m',
      severity: 'ticket',
      summary: 'The queue {{ $labels.queue_name }} grows',
      description: '{{ $value | printf "%.0f" }} tasks wait in {{ $labels.queue_name }}, and their number has risen for 30 minutes.',
      action: 'Check whether tasks take longer or whether more are sent, then add workers.',
    },
    CeleryTasksStalled: {
      // `increase` misses the first run of a task name if it ends before the first scrape that has the name.
      expr: `${last5m('celery_queue_length')} > 0 unless on () (${increase10m('celery_task_succeeded_total')} or ${increase10m('celery_task_failed_total')})`,
      for: '1h',
      severity: 'page',
      summary: 'Tasks wait in {{ $labels.queue_name }}, and no task finishes',
      description:
        '{{ $value | printf "%.0f" }} tasks wait in {{ $labels.queue_name }}. No task of any queue has finished for over an hour: the workers hang, or each task takes longer than that.',
      action: "Look in the workers' logs for what the tasks wait on, such as a database that does not answer, then restart the workers.",
    },
    CeleryTasksFail: {
      // The exporter creates the counter of an exception class at its first failure.
      expr: `sum by (name) (${FAILED}) / sum by (name) (${FAILED} or ${increase1h('celery_task_succeeded_total')}) > 0.1`,
      for: '0m',
      severity: 'ticket',
      summary: 'The task {{ $labels.name }} fails often',
      description: '{{ $value | humanizePercentage }} of the runs of {{ $labels.name }} failed within an hour.',
      action: 'Find the exception on the Celery dashboard, and its cause in the traces of the failed runs.',
    },
  },
};
