import { dashboard, graph, increase, logs, stat, traces } from '../panels.ts';

const LATE = 'None: tasks that started before the exporter.';
const failed = `(sum(${increase('celery_task_failed_total', '15m')}) or vector(0))`;
const succeeded = `(sum(${increase('celery_task_succeeded_total', '15m')}) or vector(0))`;

const link = { title: 'Platform', uid: 'platform' };
export const celery = dashboard('celery', 'Celery', 'Whether tasks succeed; if not, which fail, and why.', link, [
  {
    title: 'Overview',
    height: 4,
    panels: [
      stat('Workers', 'Workers with a recent heartbeat.', 'short', 'sum(celery_worker_up) or vector(0)', ['red', ['green', 1]]),
      stat('Waiting tasks', 'In all queues.', 'short', 'sum(celery_queue_length)', ['green', ['orange', 100]]),
      stat('Running tasks', 'On all workers.', 'short', 'sum(celery_worker_tasks_active)', ['green']),
      stat(
        'Failure rate',
        'Failed share of the runs that finished within 15 minutes.',
        'percentunit',
        `${failed} / (${failed} + ${succeeded} > 0)`,
        ['green', ['orange', 0.01], ['red', 0.1]],
        { noValue: 'no runs' },
      ),
    ],
  },
  {
    title: 'Queues and workers',
    height: 7,
    panels: [
      graph('Queue length', 'Tasks in each queue of the broker, without those that a worker has prefetched.', 'short', {
        '{{queue_name}}': 'celery_queue_length',
      }),
      graph(
        'Workers per queue',
        "Workers that answer the exporter's ping.",
        'short',
        { '{{queue_name}}': 'celery_active_worker_count' },
        { decimals: 0 },
      ),
      graph(
        'Running tasks by worker',
        'Tasks in progress on each worker.',
        'short',
        { '{{hostname}}': 'celery_worker_tasks_active' },
        { decimals: 0 },
      ),
    ],
  },
  {
    title: 'Tasks',
    height: 8,
    panels: [
      graph('Received and succeeded', 'Per second. A queue grows while more tasks are received than succeed.', 'ops', {
        received: 'sum(rate(celery_task_received_total[$__rate_interval]))',
        succeeded: 'sum(rate(celery_task_succeeded_total[$__rate_interval]))',
      }),
      graph('Failures', `Per interval, by task and exception. ${LATE}`, 'short', {
        '{{name}}: {{exception}}': `sum by (name, exception) (${increase('celery_task_failed_total{exception!=""}')})`,
      }),
      graph('Retried, rejected and revoked', `Per second, by task. ${LATE}`, 'ops', {
        '{{name}} retried': 'sum by (name) (rate(celery_task_retried_total[$__rate_interval])) > 0',
        '{{name}} rejected': 'sum by (name) (rate(celery_task_rejected_total[$__rate_interval])) > 0',
        '{{name}} revoked': 'sum by (name) (rate(celery_task_revoked_total[$__rate_interval])) > 0',
      }),
    ],
  },
  {
    title: 'Tasks by name',
    height: 8,
    panels: [
      graph('Succeeded by task', 'Per second.', 'ops', {
        '{{name}}': 'sum by (name) (rate(celery_task_succeeded_total{name!="None"}[$__rate_interval]))',
      }),
      graph('Run time, 95th percentile', 'Of successful runs, by task, over 15 minutes.', 's', {
        '{{name}}': 'histogram_quantile(0.95, sum by (name, le) (rate(celery_task_runtime_bucket{name!="None"}[15m])))',
      }),
    ],
  },
  {
    title: 'Traces and logs',
    height: 10,
    panels: [
      traces('Recent failed runs', 'Each run of a task is a span of kind consumer.', '{ kind = consumer && status = error }'),
      logs('Logs of tasks', 'Lines with a trace id.', '{service_name=~".+"} | trace_id!=""'),
    ],
  },
]);
