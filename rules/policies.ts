import { type Finding, matches, type Platform } from './platform.ts';

/** A NetworkPolicy that selects the pods restricts their ingress and egress. */
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
          wrong: `no NetworkPolicy restricts its ${way.toLowerCase()}`,
          fix: 'create the pods through a Component',
        };
    }
  }
}
