import type { Finding, Platform } from './platform.ts';

/** A disruption budget selects pods, and always lets one go: otherwise a drain never ends. */
export function* budgets(platform: Platform): Iterable<Finding> {
  for (const object of platform.of('PodDisruptionBudget')) {
    const workloads = platform.selected(object.spec.selector.matchLabels);
    const replicas = workloads.reduce((sum, workload) => sum + workload.replicas, 0);
    const { maxUnavailable, minAvailable } = object.spec;
    if (workloads.length === 0)
      yield { object, field: 'spec.selector', wrong: 'it selects no pod of this profile', fix: "let it select its workload's pods" };
    else if ((maxUnavailable ?? replicas - minAvailable) < 1)
      yield {
        object,
        field: 'spec',
        wrong: `it never lets one of ${replicas} pods go, so a drain never ends`,
        fix: 'set maxUnavailable to 1',
      };
  }
}
