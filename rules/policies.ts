import { type Finding, matches, type Platform } from './platform.ts';

/** Every pod is guarded by a policy of its own, in both directions. */
export function* policies(platform: Platform): Iterable<Finding> {
  for (const { object, labels } of platform.workloads) {
    const own = platform
      .of('NetworkPolicy')
      .filter(({ spec }) => Object.keys(spec.podSelector.matchLabels ?? {}).length > 0 && matches(spec.podSelector.matchLabels, labels));
    const ways = new Set(own.flatMap(({ spec }) => spec.policyTypes));
    for (const way of ['Ingress', 'Egress']) {
      if (!ways.has(way))
        yield {
          object,
          field: 'spec.template.metadata.labels',
          wrong: `no NetworkPolicy guards its ${way.toLowerCase()}`,
          fix: 'make its pods those of a Component',
        };
    }
  }
}
