import type { Finding, Platform } from './platform.ts';

/** No grace period is shorter than the chart's `minimumGrace`. */
export function* grace(platform: Platform): Iterable<Finding> {
  for (const { object, pod, labels } of platform.workloads) {
    const minimum = platform.facts.grace[labels['app.kubernetes.io/name'] ?? ''] ?? 0;
    if (pod.terminationGracePeriodSeconds >= minimum) continue;
    yield {
      object,
      field: 'spec.template.spec.terminationGracePeriodSeconds',
      wrong: `it is ${pod.terminationGracePeriodSeconds} s, and the program needs ${minimum} s to stop`,
      fix: 'raise it',
    };
  }
}
