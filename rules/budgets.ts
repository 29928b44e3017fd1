import type { Finding, Platform } from './platform.ts';

/** Every disruption budget selects pods and allows one disruption: otherwise a drain never ends. */
export function* budgets(platform: Platform): Iterable<Finding> {
  for (const object of platform.of('PodDisruptionBudget')) {
    const workloads = platform.selected(object.spec.selector.matchLabels);
    const replicas = workloads.reduce((sum, workload) => sum + workload.replicas, 0);
    const { maxUnavailable, minAvailable } = object.spec;
    if (workloads.length === 0) yield { object, field: 'spec.selector', wrong: 'it selects no pod', fix: "select the workload's pods" };
    else if ((maxUnavailable ?? replicas - minAvailable) < 1)
      yield {
        object,
        field: 'spec',
        wrong: `it allows no disruption of ${replicas} pods, so a drain never ends`,
        fix: 'set maxUnavailable to 1',
      };
  }
}
