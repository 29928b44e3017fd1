import type { Finding, Platform } from './platform.ts';

/** Every workload's grace period is at least the `minimumGrace` of its chart. */
export function* grace(platform: Platform): Iterable<Finding> {
  for (const { object, pod, labels } of platform.workloads) {
    if (object.kind === 'Job') continue;
    const at = { object, field: 'spec.template.spec.terminationGracePeriodSeconds' };
    const minimum = platform.facts.grace[labels['app.kubernetes.io/name'] ?? ''];
    if (minimum === undefined)
      yield { ...at, wrong: 'no minimum is known', fix: 'declare minimumGrace in the chart, and list it in charts/index.ts' };
    else if (pod.terminationGracePeriodSeconds < minimum)
      yield { ...at, wrong: `it is ${pod.terminationGracePeriodSeconds} s, and the program needs ${minimum} s to stop`, fix: 'raise it' };
  }
}
