import { dashboard, graph, increase, logs, type Panel, stat, traces } from '../panels.ts';

/** The Collector's counters of one kind: one for each signal. */
const signals = (counter: string, selector = '') => ({
  spans: `sum(rate(${counter}_spans${selector}[$__rate_interval]))`,
  'log lines': `sum(rate(${counter}_log_records${selector}[$__rate_interval]))`,
  'metric points': `sum(rate(${counter}_metric_points${selector}[$__rate_interval]))`,
});

const alerts: Panel = {
  type: 'table',
  title: 'Firing alerts',
  description: 'The link opens the list of alerts, where each has the action to take.',
  links: [{ title: 'What to do', url: '/alerting/list' }],
  datasource: { type: 'prometheus', uid: 'prometheus' },
  targets: [{ refId: 'A', expr: 'ALERTS{alertstate="firing"}', legendFormat: '', instant: true, format: 'table' }],
  fieldConfig: { defaults: { noValue: 'No firing alerts' }, overrides: [] },
  options: { cellHeight: 'sm' },
  transformations: [
    {
      id: 'organize',
      options: {
        indexByName: { severity: 0, alertname: 1, job: 2, instance: 3, queue_name: 4, exporter: 5, reason: 6 },
        excludeByName: { Time: true, Value: true, __name__: true, alertstate: true, cluster: true },
      },
    },
  ],
};

const link = { title: 'Celery', uid: 'celery' };
export const platform = dashboard('platform', 'Platform', 'Whether everything is up; if not, what is wrong.', link, [
  {
    title: 'Overview',
    height: 6,
    panels: [
      stat(
        'Services',
        'Red: at least one instance does not answer its scrapes.',
        'short',
        'min by (job) (up) or absent(up{job="otel-collector"}) - 1',
        ['red', ['green', 1]],
        {
          legendFormat: '{{job}}',
          mappings: [{ type: 'value', options: { 0: { text: 'down', color: 'red' }, 1: { text: 'up', color: 'green' } } }],
        },
      ),
      alerts,
    ],
  },
  {
    title: 'Tasks',
    height: 7,
    panels: [
      graph('Queue length', 'Tasks in each queue of the broker, without those that a worker has prefetched.', 'short', {
        '{{queue_name}}': 'celery_queue_length',
      }),
      graph('Tasks succeeded and failed', 'Per interval, on all workers.', 'short', {
        succeeded: 'sum(increase(celery_task_succeeded_total[$__rate_interval]))',
        failed: `sum(${increase('celery_task_failed_total')})`,
        retried: 'sum(increase(celery_task_retried_total[$__rate_interval]))',
      }),
      graph(
        'Response times, 95th percentile',
        'Of requests and tasks, by service, over 15 minutes; from span metrics. Each dot links to a trace.',
        's',
        {
          '{{service}}':
            'histogram_quantile(0.95, sum by (service, le) (rate(traces_spanmetrics_latency_bucket{span_kind=~"SPAN_KIND_SERVER|SPAN_KIND_CONSUMER"}[15m])))',
        },
        { exemplars: true },
      ),
    ],
  },
  {
    title: 'Stores',
    height: 7,
    panels: [
      graph(
        'Redis memory',
        'Share of maxmemory. A full broker refuses tasks; a full cache evicts keys.',
        'percentunit',
        { '{{job}}': 'redis_memory_used_bytes / (redis_memory_max_bytes > 0)' },
        { max: 1 },
      ),
      graph('Evicted Redis keys', 'Per second. Normal for the cache; the broker must never evict.', 'ops', {
        '{{job}}': 'rate(redis_evicted_keys_total[$__rate_interval])',
      }),
      graph('ArangoDB requests', 'Per second; and the requests that wait for a thread.', 'short', {
        requests: 'rate(arangodb_http_request_statistics_total_requests_total[$__rate_interval])',
        waiting: 'arangodb_scheduler_queue_length',
      }),
      graph(
        'ArangoDB free disk',
        'Writes fail when the disk is full.',
        'percentunit',
        { free: 'rocksdb_free_disk_space / (rocksdb_total_disk_space > 0)' },
        { max: 1 },
      ),
      graph(
        'Consul servers',
        'Leaders (should be 1), servers that answer, and how many may fail before the quorum is lost.',
        'short',
        {
          leaders: 'sum(consul_server_isLeader)',
          up: 'sum(up{job="consul"})',
          'may fail': 'max(consul_autopilot_failure_tolerance)',
        },
        { decimals: 0 },
      ),
    ],
  },
  {
    title: 'Telemetry',
    height: 7,
    panels: [
      graph('Received by the Collector', 'Per second.', 'ops', signals('otelcol_receiver_accepted')),
      graph(
        'Refused by the Collector',
        'Per second, while a queue or the memory is full. Senders retry briefly.',
        'ops',
        signals('otelcol_receiver_refused'),
      ),
      graph('Sent by the Collector', 'Per second, to the stores.', 'ops', signals('otelcol_exporter_sent', '{exporter!="debug"}')),
      graph(
        'Collector queues',
        'Fill level. A queue fills while its store is slow or down.',
        'percentunit',
        { '{{exporter}}': 'max by (exporter) (otelcol_exporter_queue_size / (otelcol_exporter_queue_capacity > 0))' },
        { max: 1 },
      ),
      graph('Received by Tempo and Loki', 'Per second.', 'ops', {
        spans: 'sum(rate(tempo_distributor_spans_received_total[$__rate_interval]))',
        'log lines': 'sum(rate(loki_distributor_lines_received_total[$__rate_interval]))',
      }),
      graph(
        'Discarded by Tempo and Loki',
        'Per interval. The Collector retries rate_limited items; those with most other reasons are lost.',
        'short',
        {
          'spans: {{reason}}': `sum by (reason) (${increase('tempo_discarded_spans_total')})`,
          'log lines: {{reason}}': `sum by (reason) (${increase('loki_discarded_samples_total')})`,
        },
        { noValue: 'nothing' },
      ),
    ],
  },
  {
    title: 'Traces and logs',
    height: 10,
    panels: [
      traces('Recent traces', 'The newest traces; they appear after about 30 seconds.', '{}'),
      logs(
        'App warnings and errors',
        "Only the app's logs are in Loki; use `kubectl logs` for the services.",
        '{service_name=~".+"} | detected_level=~"warn|error|critical|fatal"',
      ),
    ],
  },
]);
