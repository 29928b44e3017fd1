import type { Finding, Platform } from './platform.ts';

/** Consul's Autopilot gives a vote after 10 s of good health, and looks every 10 s. */
const SECONDS = 20;

/**
 * A member of a quorum is ready once it votes, so that no rollout and no drain stops the next one before. Disruption budgets
 * know readiness only: minReadySeconds would hold up rollouts, but no drain.
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
