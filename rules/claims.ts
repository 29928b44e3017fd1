import { claimTemplates, type Manifest } from '../lib/render.ts';
import type { Finding, Platform } from './platform.ts';

/** Every claim exists and is mounted, by one pod at a time. */
export function* claims(platform: Platform): Iterable<Finding> {
  const owners = new Map<string, string>();
  for (const { object, pod, replicas } of platform.workloads) {
    for (const { persistentVolumeClaim } of pod.volumes ?? []) {
      const name = persistentVolumeClaim?.claimName;
      if (!name) continue;
      const field = 'spec.template.spec.volumes';
      const holder = holderOf(platform, name);
      if (holder && holder.ordinal < platform.replicasOf(holder.object))
        yield {
          object,
          field,
          wrong: `the claim ${name} belongs to the pod ${holder.object.metadata.name}-${holder.ordinal}, which runs too`,
          fix: `scale the StatefulSet ${holder.object.metadata.name} to 0 meanwhile`,
        };
      if (!holder && !platform.find('PersistentVolumeClaim', name))
        yield { object, field, wrong: `no PersistentVolumeClaim ${name} exists`, fix: 'create the disk with setup.disk' };
      const owner = owners.get(name);
      if (owner)
        yield {
          object,
          field,
          wrong: `${owner} mounts the claim ${name} too, and a ReadWriteOnce volume attaches to one node`,
          fix: 'give each workload its own disk',
        };
      owners.set(name, object.metadata.name);
      if (replicas > 1)
        yield {
          object,
          field: 'spec.replicas',
          wrong: `${replicas} pods mount the claim ${name}, and a ReadWriteOnce volume attaches to one node`,
          fix: 'run one pod, or remove the disk',
        };
      if (object.kind === 'Deployment' && object.spec.strategy.type !== 'Recreate') {
        yield {
          object,
          field: 'spec.strategy',
          wrong: `a rollout would start a second pod while the first holds the claim ${name}`,
          fix: 'set the strategy to Recreate',
        };
      }
    }
  }
  for (const object of platform.of('PersistentVolumeClaim')) {
    if (!owners.has(object.metadata.name))
      yield { object, field: 'metadata.name', wrong: 'no pod mounts it', fix: 'mount it, or remove the disk' };
  }
}

/** The StatefulSet that creates the claim, and the ordinal of the pod. */
function holderOf(platform: Platform, claim: string): { readonly object: Manifest; readonly ordinal: number } | undefined {
  for (const object of platform.of('StatefulSet')) {
    for (const { metadata } of claimTemplates(object)) {
      const start = `${metadata.name}-${object.metadata.name}-`;
      if (claim.startsWith(start) && /^\d+$/.test(claim.slice(start.length))) return { object, ordinal: Number(claim.slice(start.length)) };
    }
  }
  return undefined;
}
