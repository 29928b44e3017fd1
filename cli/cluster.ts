import type { Manifest } from '../lib/render.ts';
import { podOf } from '../lib/render.ts';
import type { Kubectl } from './kubectl.ts';
import type { Profile } from './profile.ts';

/** The owner of what these commands apply, in the objects' managedFields. */
const FIELD_MANAGER = 'platform';

/** What came of applying one object. */
export interface AppliedObject {
  /** `StatefulSet redis`. */
  readonly object: string;
  readonly did: 'created' | 'changed' | 'unchanged';
}

/** Several objects as one, for kubectl's standard input. */
export const listOf = (objects: readonly Manifest[]): string => JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });

/** The name of an object, for a person. */
export const nameOf = ({ kind, metadata }: Manifest): string => `${kind} ${metadata.name}`;

/**
 * Applies objects, server-side and under one field manager, and says what that changed. Removes nothing.
 * Throws a UserError when somebody else owns a field with another value, unless they are to be taken back.
 */
export async function apply(kubectl: Kubectl, objects: readonly Manifest[], takeBack = false): Promise<readonly AppliedObject[]> {
  if (objects.length === 0) return [];
  const stdin = listOf(objects);
  const before = byName(await kubectl.objects(['get', '--filename=-', '--ignore-not-found'], { stdin, seconds: 60 }));
  const args = ['apply', '--server-side', `--field-manager=${FIELD_MANAGER}`, ...(takeBack ? ['--force-conflicts'] : []), '--filename=-'];
  const applied = await kubectl.objects(args, { stdin, seconds: 120, warn: true });
  return applied.map((after) => {
    const former = before.get(nameOf(after));
    const did = former === undefined ? 'created' : wish(former) === wish(after) ? 'unchanged' : 'changed';
    return { object: nameOf(after), did };
  });
}

/** The workloads among the objects: what runs pods. */
export function workloadsOf(profile: Profile): readonly Manifest[] {
  return profile.objects.filter((manifest) => podOf(manifest));
}

/** Everything in the namespace that tells how the workloads are. */
export function snapshot(kubectl: Kubectl): Promise<readonly Manifest[]> {
  return kubectl.objects(['get', 'statefulsets,deployments,jobs,replicasets,pods,persistentvolumeclaims,events']);
}

function byName(objects: readonly Manifest[]): ReadonlyMap<string, Manifest> {
  return new Map(objects.map((object) => [nameOf(object), object]));
}

/** What somebody asked for, without what the server and its controllers write down. */
function wish({ status: _, metadata, ...rest }: Manifest): string {
  const { labels, annotations = {} } = metadata;
  const { 'deployment.kubernetes.io/revision': __, ...own } = annotations as Record<string, string>;
  return JSON.stringify([rest, labels, own]);
}
