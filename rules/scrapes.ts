import { mentions, resolve } from './addresses.ts';
import type { Finding, Platform } from './platform.ts';

/** Prometheus scrapes every port with the name `metrics`. The rule `addresses` checks that its targets exist. */
export function* scrapes(platform: Platform): Iterable<Finding> {
  const prometheus = platform.workloads.find(({ texts }) => texts.some((text) => text.includes('scrape_configs:')));
  const scraped = prometheus ? mentions(prometheus).flatMap((mention) => resolve(platform, prometheus, mention) ?? []) : [];
  for (const workload of platform.workloads) {
    for (const { name, containerPort } of workload.pod.containers.flatMap(({ ports = [] }) => ports)) {
      if (name !== 'metrics' || scraped.some((end) => end.workload === workload && end.port === containerPort)) continue;
      yield {
        object: workload.object,
        field: 'spec.template.spec.containers.ports',
        wrong: `Prometheus does not scrape the metrics port ${containerPort}`,
        fix: 'pass its target to prometheus.scrape',
      };
    }
  }
}
