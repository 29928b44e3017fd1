import type { Manifest } from '../lib/render.ts';
import { podOf } from '../lib/render.ts';
import type { Kubectl } from './kubectl.ts';
import type { Profile } from './profile.ts';
import { TIMEOUTS } from './timeouts.ts';

/** The owner of the applied fields, in the objects' managedFields. */
const FIELD_MANAGER = 'platform';

/** The effect of applying one object. */
export interface AppliedObject {
  /** `StatefulSet redis` */
  readonly object: string;
  readonly outcome: 'created' | 'changed' | 'unchanged';
}

/** Joins objects into one, for kubectl's standard input. */
export const listOf = (objects: readonly Manifest[]): string => JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });

/** `StatefulSet redis` */
export const nameOf = ({ kind, metadata }: Manifest): string => `${kind} ${metadata.name}`;

/**
 * Applies objects server-side and returns what changed. Removes nothing.
 * Throws a UserError when another field manager has set a field to another value, unless `force` overwrites it.
 */
export async function apply(kubectl: Kubectl, objects: readonly Manifest[], force = false): Promise<readonly AppliedObject[]> {
  if (objects.length === 0) return [];
  const stdin = listOf(objects);
  const existing = await kubectl.objects(['get', '--filename=-', '--ignore-not-found'], { stdin, seconds: TIMEOUTS.write });
  const before = new Map(existing.map((each) => [nameOf(each), each]));
  const args = ['apply', '--server-side', `--field-manager=${FIELD_MANAGER}`, ...(force ? ['--force-conflicts'] : []), '--filename=-'];
  const applied = await kubectl.objects(args, { stdin, seconds: TIMEOUTS.write, warn: true });
  return applied.map((after) => {
    const former = before.get(nameOf(after));
    const outcome = former === undefined ? 'created' : desired(former) === desired(after) ? 'unchanged' : 'changed';
    return { object: nameOf(after), outcome };
  });
}

/** The objects of the profile that run pods. */
export function workloadsOf(profile: Profile): readonly Manifest[] {
  return profile.objects.filter((manifest) => podOf(manifest));
}

/** The API of each resource that `diagnose` reads. */
export const RESOURCES = {
  statefulsets: 'apis/apps/v1',
  deployments: 'apis/apps/v1',
  jobs: 'apis/batch/v1',
  pods: 'api/v1',
  persistentvolumeclaims: 'api/v1',
  events: 'api/v1',
} as const;

/** The objects of the namespace that `diagnose` reads. */
export function snapshot(kubectl: Kubectl): Promise<readonly Manifest[]> {
  return kubectl.objects(['get', Object.keys(RESOURCES).join(',')]);
}

/** The part of an object that a user sets, without what the server and its controllers write. */
function desired({ status: _, metadata, ...rest }: Manifest): string {
  const { labels, annotations = {} } = metadata;
  const { 'deployment.kubernetes.io/revision': __, ...own } = annotations as Record<string, string>;
  return JSON.stringify([rest, labels, own]);
}
