import type { Images } from '../charts/settings.ts';

/** Every image of the platform. Renovate keeps the tags. */
export const images = {
  // The last release under Apache-2.0, no longer rebuilt: see docs/arangodb-3.12.md.
  // renovate: datasource=docker depName=docker.io/library/arangodb
  arangodb: 'docker.io/library/arangodb:3.11.14',
  // 7.2 is the last minor release under BSD; 7.4 has another licence.
  // renovate: datasource=docker depName=docker.io/library/redis
  redis: 'docker.io/library/redis:7.2.16-alpine',
  // renovate: datasource=docker depName=docker.io/oliver006/redis_exporter
  redisExporter: 'docker.io/oliver006/redis_exporter:v1.93.0',
  // BUSL 1.1: free for internal use, but not to be offered as a service.
  // renovate: datasource=docker depName=docker.io/hashicorp/consul
  consul: 'docker.io/hashicorp/consul:2.0.4',
  // renovate: datasource=docker depName=docker.io/grafana/tempo
  tempo: 'docker.io/grafana/tempo:3.1.0',
  // renovate: datasource=docker depName=docker.io/grafana/loki
  loki: 'docker.io/grafana/loki:3.7.8',
  // renovate: datasource=docker depName=docker.io/prom/prometheus
  prometheus: 'docker.io/prom/prometheus:v3.15.0',
  // renovate: datasource=docker depName=docker.io/otel/opentelemetry-collector-contrib
  otelCollector: 'docker.io/otel/opentelemetry-collector-contrib:0.162.0',
  // renovate: datasource=docker depName=docker.io/danihodovic/celery-exporter
  celeryExporter: 'docker.io/danihodovic/celery-exporter:0.12.2',
  // renovate: datasource=docker depName=docker.io/grafana/grafana
  grafana: 'docker.io/grafana/grafana:13.2.3',
  // The reference app: set your own in the profile, see docs/profiles.md.
  app: 'docker.io/platform/celery-app:dev',
} as const satisfies Images;
