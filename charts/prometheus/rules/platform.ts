import type { RuleGroup } from './group.ts';

/** What is true of every service: it answers when Prometheus asks. */
export const platform: RuleGroup = {
  name: 'platform',
  rules: [
    {
      alert: 'ServiceDown',
      // CeleryExporterBlind watches the exporter of Celery. Collectors are found in DNS: with no pod there is no `up` to be 0.
      expr: 'max by (job) (up{job!~"celery-exporter|grafana"}) == 0 or absent(up{job="otel-collector"})',
      for: '5m',
      labels: { severity: 'page' },
      annotations: {
        summary: '{{ $labels.job }} does not answer',
        description: 'No instance of {{ $labels.job }} has answered a scrape for 5 minutes.',
        action: 'Look at the events of its pods and at the log of the last one that ended; a full disk and too little memory show there.',
      },
    },
    {
      alert: 'InstanceDown',
      // Half of the scrapes, because an instance that answers now and then is down too.
      expr: 'avg_over_time(up[10m]) < 0.5',
      for: '10m',
      labels: { severity: 'ticket' },
      annotations: {
        summary: 'One {{ $labels.job }} does not answer',
        description: '{{ $labels.instance }} of {{ $labels.job }} has answered less than half of the scrapes for 10 minutes.',
        action: 'See why its pod is not ready, before a second one goes the same way.',
      },
    },
  ],
};
