import { latest, risen, rising } from './expressions.ts';
import type { RuleGroup } from './group.ts';

const FAILED = risen('celery_task_failed_total{exception!=""}');

/** What the users of the app would notice: tasks wait, or fail. */
export const celery: RuleGroup = {
  name: 'celery',
  rules: [
    {
      alert: 'CeleryExporterBlind',
      // After an outage of the broker every scrape of the exporter may fail until it is restarted; during the outage, RedisDown pages instead.
      // The exporter receives events by a second connection, which may hang while scrapes succeed.
      // Then the workers still answer the exporter's pings, but none counts as up, because their heartbeats are events.
      expr: [
        `absent(celery_queue_length) and on () ${latest('redis_up{job="redis"}')} == 1`,
        `or sum(${latest('celery_active_worker_count')}) > 0 unless on () sum(${latest('celery_worker_up')}) > 0`,
      ].join(' '),
      for: '10m',
      labels: { severity: 'page' },
      annotations: {
        summary: 'Tasks are not watched',
        description:
          'The exporter of Celery has not seen the queues or the events of the workers for 10 minutes: no other alert on tasks can fire.',
        action: 'Restart celery-exporter: it does not always reconnect to a broker that was away. If that does not help, read its log.',
      },
    },
    {
      alert: 'CeleryNoWorker',
      expr: `${latest('celery_queue_length')} > 0 and on (queue_name) ${latest('celery_active_worker_count')} == 0`,
      for: '5m',
      labels: { severity: 'page' },
      annotations: {
        summary: 'Nobody works on the queue {{ $labels.queue_name }}',
        description: '{{ $value | printf "%.0f" }} tasks wait in {{ $labels.queue_name }} and no worker has answered for 5 minutes.',
        action: 'See whether the workers run and reach the broker; none of the tasks is lost.',
      },
    },
    {
      alert: 'CeleryQueueGrows',
      expr: `${latest('celery_queue_length')} > 100 and deriv(celery_queue_length[30m]) > 0`,
      for: '30m',
      labels: { severity: 'ticket' },
      annotations: {
        summary: 'The queue {{ $labels.queue_name }} grows',
        description: '{{ $value | printf "%.0f" }} tasks wait in {{ $labels.queue_name }}, and their number has risen for half an hour.',
        action: 'See whether tasks take longer or more of them are sent, then add workers.',
      },
    },
    {
      alert: 'CeleryStandsStill',
      // `increase` overlooks the first run of a name if it ends before the exporter is first scraped with it; the second run counts.
      expr: `${latest('celery_queue_length')} > 0 unless on () (${rising('celery_task_succeeded_total')} or ${rising('celery_task_failed_total')})`,
      for: '1h',
      labels: { severity: 'page' },
      annotations: {
        summary: 'Tasks wait in {{ $labels.queue_name }}, and none ends',
        description:
          '{{ $value | printf "%.0f" }} tasks wait in {{ $labels.queue_name }}. For over an hour no task of any queue has succeeded or failed; tasks that each take longer look the same.',
        action: "Read the workers' logs for what their tasks wait for, such as a store that does not answer, then restart the workers.",
      },
    },
    {
      alert: 'CeleryTasksFail',
      // The exporter adds a counter when a worker first fails with an exception of that class.
      expr: `sum by (name) (${FAILED}) / sum by (name) (${FAILED} or ${risen('celery_task_succeeded_total')}) > 0.1`,
      for: '0m',
      labels: { severity: 'ticket' },
      annotations: {
        summary: '{{ $labels.name }} fails often',
        description: '{{ $value | humanizePercentage }} of the runs of {{ $labels.name }} within an hour failed.',
        action: 'The exception is on the Celery dashboard, the whole story in the traces of the failed runs.',
      },
    },
  ],
};
