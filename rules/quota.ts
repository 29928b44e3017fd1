import { amountOf } from '../lib/quantity.ts';
import { claimTemplates } from '../lib/render.ts';
import type { Finding, Platform, Workload } from './platform.ts';

/** All pods and disks fit the namespace's quota, even while every rollout surges. */
export function* quota(platform: Platform): Iterable<Finding> {
  const disks = [
    ...platform.of('PersistentVolumeClaim').map(({ spec }) => ({ spec, times: 1 })),
    ...platform
      .of('StatefulSet')
      .flatMap((workload) => claimTemplates(workload).map(({ spec }) => ({ spec, times: workload.spec.replicas }))),
  ];
  const pods = (kind: 'requests' | 'limits', resource: string) =>
    platform.workloads.reduce(
      (sum, workload) =>
        sum +
        most(platform, workload) * workload.pod.containers.reduce((all, { resources }) => all + amountOf(resources?.[kind]?.[resource]), 0),
      0,
    );
  const used: Readonly<Record<string, number>> = {
    'requests.cpu': pods('requests', 'cpu'),
    'requests.memory': pods('requests', 'memory'),
    'limits.memory': pods('limits', 'memory'),
    'requests.storage': disks.reduce((sum, { spec, times }) => sum + times * amountOf(spec.resources.requests.storage), 0),
  };
  for (const object of platform.of('ResourceQuota')) {
    for (const [name, hard] of Object.entries<string>(object.spec.hard)) {
      const need = used[name] ?? 0;
      const [unit, per] = name === 'requests.cpu' ? ['cores', 1] : ['MiB', 2 ** 20];
      // Sums of thousandths are not exact in binary.
      if (need > amountOf(hard) + 1e-9)
        yield {
          object,
          field: `spec.hard["${name}"]`,
          wrong: `it is ${hard}, and all pods of this profile need ${Math.round((need / per) * 1000) / 1000} ${unit}`,
          fix: 'raise settings.setup.quota, or lower the requests',
        };
    }
  }
}

/** The largest number of pods that a workload has at one time. */
function most(platform: Platform, { object, replicas }: Workload): number {
  const scaler = platform.of('HorizontalPodAutoscaler').find(({ spec }) => spec.scaleTargetRef.name === object.metadata.name);
  return (scaler?.spec.maxReplicas ?? replicas) + (object.spec.strategy?.rollingUpdate?.maxSurge ?? 0);
}
