import { claimTemplates, type Manifest } from '../lib/render.ts';
import type { Finding, Platform } from './platform.ts';

/** Every claim exists and is mounted, by one pod at a time. */
export function* claims(platform: Platform): Iterable<Finding> {
  const owners = new Map<string, string>();
  for (const { object, pod, replicas } of platform.workloads) {
    for (const { persistentVolumeClaim } of pod.volumes ?? []) {
      const name = persistentVolumeClaim?.claimName;
      if (!name) continue;
      const at = { object, field: 'spec.template.spec.volumes' };
      const once = 'and a ReadWriteOnce volume attaches to one node';
      const holder = holderOf(platform, name);
      if (holder && holder.ordinal < platform.replicasOf(holder.object)) {
        const { name: set } = holder.object.metadata;
        const wrong = `the claim ${name} belongs to the pod ${set}-${holder.ordinal}, which runs too`;
        yield { ...at, wrong, fix: `scale the StatefulSet ${set} to 0 meanwhile` };
      }
      if (!holder && !platform.find('PersistentVolumeClaim', name))
        yield { ...at, wrong: `no PersistentVolumeClaim ${name} exists`, fix: 'create the disk with setup.disk' };
      const owner = owners.get(name);
      if (owner) yield { ...at, wrong: `${owner} mounts the claim ${name} too, ${once}`, fix: 'give each workload its own disk' };
      owners.set(name, object.metadata.name);
      if (replicas > 1)
        yield {
          object,
          field: 'spec.replicas',
          wrong: `${replicas} pods mount the claim ${name}, ${once}`,
          fix: 'run one pod, or remove the disk',
        };
      if (object.kind === 'Deployment' && object.spec.strategy.type !== 'Recreate') {
        const wrong = `a rollout would start a second pod while the first holds the claim ${name}`;
        yield { object, field: 'spec.strategy', wrong, fix: 'set the strategy to Recreate' };
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
