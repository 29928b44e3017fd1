const claims = ['data ReadWriteOnce'];

/**
 * The parts of each workload that must not change after the first release: Kubernetes rejects the change, or a disk is left
 * behind. A change here needs its reason, and a description of how the data moves, in docs/design.md.
 */
export const immutable: Readonly<Record<string, { readonly serviceName?: string; readonly claims?: readonly string[] }>> = {
  arangodb: { serviceName: 'arangodb', claims },
  'celery-beat': {},
  'celery-exporter': {},
  'celery-worker': {},
  consul: { serviceName: 'consul-members', claims },
  grafana: {},
  loki: { serviceName: 'loki', claims },
  'otel-collector': {},
  prometheus: { serviceName: 'prometheus', claims },
  redis: { serviceName: 'redis', claims },
  'redis-cache': { serviceName: 'redis-cache' },
  tempo: {},
};
