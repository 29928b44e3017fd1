import { mentions, resolve } from './addresses.ts';
import type { Finding, Platform } from './platform.ts';

/** Every port that is called `metrics` is scraped. That a target exists is what `addresses` says. */
export function* scrapes(platform: Platform): Iterable<Finding> {
  const scraper = platform.workloads.find(({ pod }) =>
    pod.volumes?.some(({ configMap }) =>
      Object.values<string>((configMap && platform.find('ConfigMap', configMap.name)?.data) ?? {}).some((text) =>
        text.includes('scrape_configs:'),
      ),
    ),
  );
  const scraped = scraper ? mentions(platform, scraper).flatMap((mention) => resolve(platform, scraper, mention) ?? []) : [];
  for (const workload of platform.workloads) {
    for (const { name, containerPort } of workload.pod.containers.flatMap(({ ports = [] }) => ports)) {
      if (name !== 'metrics' || scraped.some((end) => end.workload === workload && end.port === containerPort)) continue;
      yield {
        object: workload.object,
        field: 'spec.template.spec.containers.ports',
        wrong: `its metrics port ${containerPort} is no target of Prometheus`,
        fix: 'hand its target to prometheus.scrape',
      };
    }
  }
}
