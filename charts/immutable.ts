const data = ['data ReadWriteOnce'];

/**
 * What stays as it is from the first release on, by the name of the workload: Kubernetes refuses to change it, or a disk
 * would be left behind. A change here needs its reason, and how the data moves, in docs/design.md.
 */
export const immutable: Readonly<
  Record<string, { readonly serviceName?: string; readonly claims?: readonly string[]; readonly grace: number }>
> = {
  arangodb: { serviceName: 'arangodb', claims: data, grace: 60 },
  'celery-beat': { grace: 10 },
  'celery-exporter': { grace: 5 },
  'celery-worker': { grace: 30 },
  consul: { serviceName: 'consul-members', claims: data, grace: 30 },
  grafana: { grace: 30 },
  loki: { serviceName: 'loki', claims: data, grace: 300 },
  'otel-collector': { grace: 30 },
  prometheus: { serviceName: 'prometheus', claims: data, grace: 300 },
  redis: { serviceName: 'redis', claims: data, grace: 30 },
  'redis-cache': { serviceName: 'redis-cache', grace: 10 },
  tempo: { grace: 300 },
};
