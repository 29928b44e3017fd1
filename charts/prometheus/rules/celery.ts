import type { RuleGroup } from './group.ts';

/** What the users of the app would notice: tasks wait, or fail. */
export const celery: RuleGroup = {
  name: 'celery',
  rules: [
    {
      alert: 'CeleryNoWorker',
      expr: 'celery_queue_length > 0 and on (queue_name) celery_active_worker_count == 0',
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
      expr: 'celery_queue_length > 100 and deriv(celery_queue_length[30m]) > 0',
      for: '30m',
      labels: { severity: 'ticket' },
      annotations: {
        summary: 'The queue {{ $labels.queue_name }} grows',
        description: '{{ $value | printf "%.0f" }} tasks wait in {{ $labels.queue_name }}, and for half an hour it has been more and more.',
        action: 'See whether tasks came to take longer or to be more, then add workers.',
      },
    },
    {
      alert: 'CeleryTasksFail',
      expr: [
        'sum by (name) (rate(celery_task_failed_total[15m]))',
        '/ (sum by (name) (rate(celery_task_failed_total[15m])) + sum by (name) (rate(celery_task_succeeded_total[15m])))',
        '> 0.1',
      ].join(' '),
      for: '15m',
      labels: { severity: 'ticket' },
      annotations: {
        summary: '{{ $labels.name }} fails often',
        description: '{{ $value | humanizePercentage }} of the runs of {{ $labels.name }} failed in the last 15 minutes.',
        action: 'The exception is on the Celery dashboard, the whole story in the traces of the failed runs.',
      },
    },
  ],
};
