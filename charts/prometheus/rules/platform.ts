import type { AlertGroup } from './group.ts';

/** Every service answers its scrapes. */
export const platform: AlertGroup = {
  name: 'platform',
  alerts: {
    ServiceDown: {
      // CeleryMetricsMissing covers celery-exporter. Collectors are discovered by DNS, so without a pod there is no `up` series.
      expr: 'max by (job) (up{job!~"celery-exporter|grafana"}) == 0 or absent(up{job="otel-collector"})',
      for: '5m',
      severity: 'page',
      summary: '{{ $labels.job }} does not answer',
      description: 'No instance of {{ $labels.job }} has answered a scrape for 5 minutes: the service is probably unavailable.',
      action: 'Read the events of its pods and the log of the last terminated container; look for a full disk or too little memory.',
    },
    InstanceDown: {
      // Half of the scrapes, because an instance that answers only now and then is down too.
      expr: 'avg_over_time(up[10m]) < 0.5',
      for: '10m',
      severity: 'ticket',
      summary: 'An instance of {{ $labels.job }} does not answer',
      description:
        '{{ $labels.instance }} of {{ $labels.job }} has answered less than half of its scrapes for 10 minutes: redundancy is reduced.',
      action: 'Check why its pod is not ready.',
    },
  },
};
