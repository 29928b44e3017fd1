import type { Finding, Platform } from './platform.ts';

/** Consul's Autopilot gives a vote after 10 s of good health, and looks every 10 s. */
const SECONDS = 20;

/**
 * A quorum member is ready only once it votes; otherwise a rollout or drain could stop the next one too early. Disruption budgets
 * count ready pods: minReadySeconds would delay rollouts, but not drains.
 */
export function* quorums(platform: Platform): Iterable<Finding> {
  for (const { object, pod, replicas } of platform.workloads) {
    if (object.kind !== 'StatefulSet' || replicas < 2) continue;
    for (const [at, { readinessProbe }] of pod.containers.entries()) {
      const { successThreshold = 1, periodSeconds = 10 } = readinessProbe ?? {};
      const seconds = (successThreshold - 1) * periodSeconds;
      if (seconds >= SECONDS) continue;
      yield {
        object,
        field: `spec.template.spec.containers[${at}].readinessProbe.successThreshold`,
        wrong: `one of ${replicas} servers is ready ${seconds} s after it answers, and votes up to ${SECONDS} s later`,
        fix: `let the probe succeed for ${SECONDS} s`,
      };
    }
  }
}
