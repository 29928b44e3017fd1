import type { Finding, Platform } from './platform.ts';

/** Consul's Autopilot checks every 10 s and promotes a server to voter after 10 s of good health. */
const SECONDS = 20;

/**
 * A quorum member becomes ready only after it votes; otherwise a rollout or drain could stop the next one too early. Disruption
 * budgets count ready pods: minReadySeconds would delay rollouts, but not drains.
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
        wrong: `a server is ready after ${seconds} s of good health, and votes only after up to ${SECONDS} s`,
        fix: `require ${SECONDS} s of successful probes`,
      };
    }
  }
}
