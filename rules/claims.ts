import { claimTemplates, type Manifest } from '../lib/render.ts';
import type { Finding, Platform } from './platform.ts';

/** Every claim that a pod mounts exists, belongs to one workload alone, and is never mounted by two of its pods; every claim is mounted. */
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
          wrong: `the claim ${name} is that of the pod ${holder.object.metadata.name}-${holder.ordinal}, which runs too`,
          fix: `run no pod of the StatefulSet ${holder.object.metadata.name} meanwhile`,
        };
      if (!holder && !platform.find('PersistentVolumeClaim', name))
        yield { object, field, wrong: `there is no PersistentVolumeClaim ${name}`, fix: 'let setup make the disk' };
      const owner = owners.get(name);
      if (owner)
        yield {
          object,
          field,
          wrong: `the claim ${name} is ${owner}'s already, and one node at a time can mount it`,
          fix: 'give each workload its own disk',
        };
      owners.set(name, object.metadata.name);
      if (replicas > 1)
        yield {
          object,
          field: 'spec.replicas',
          wrong: `${replicas} pods mount the claim ${name}, which one node at a time can`,
          fix: 'run one, or drop the disk',
        };
      if (object.kind === 'Deployment' && object.spec.strategy.type !== 'Recreate') {
        yield {
          object,
          field: 'spec.strategy',
          wrong: `a rollout would start a second pod while the first holds the claim ${name}`,
          fix: 'set its strategy to Recreate',
        };
      }
    }
  }
  for (const object of platform.of('PersistentVolumeClaim')) {
    if (!owners.has(object.metadata.name))
      yield { object, field: 'metadata.name', wrong: 'no pod mounts it', fix: 'mount it, or drop the disk' };
  }
}

/** The StatefulSet that makes the claim, and for which of its pods. */
function holderOf(platform: Platform, claim: string): { readonly object: Manifest; readonly ordinal: number } | undefined {
  for (const object of platform.of('StatefulSet')) {
    for (const { metadata } of claimTemplates(object)) {
      const start = `${metadata.name}-${object.metadata.name}-`;
      if (claim.startsWith(start) && /^\d+$/.test(claim.slice(start.length))) return { object, ordinal: Number(claim.slice(start.length)) };
    }
  }
  return undefined;
}
