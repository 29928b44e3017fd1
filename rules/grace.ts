import type { Finding, Platform } from './platform.ts';

/** Every pod has the time to stop that its program needs. */
export function* grace(platform: Platform): Iterable<Finding> {
  for (const { object, pod } of platform.workloads) {
    const need = platform.facts.immutable[object.metadata.labels?.['app.kubernetes.io/name'] ?? '']?.grace ?? 0;
    if (pod.terminationGracePeriodSeconds >= need) continue;
    yield {
      object,
      field: 'spec.template.spec.terminationGracePeriodSeconds',
      wrong: `${pod.terminationGracePeriodSeconds} s, and it needs ${need} s to stop`,
      fix: 'raise it',
    };
  }
}
