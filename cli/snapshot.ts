import type { Manifest } from '../lib/render.ts';

/** The objects of the namespace at one moment: workloads, pods, disks and events. */
export interface Snapshot {
  readonly objects: readonly Manifest[];
}

/** A container in the status of its pod. */
export interface ContainerStatus {
  readonly name: string;
  readonly ready: boolean;
  readonly started?: boolean;
  readonly restartCount: number;
  readonly state: {
    readonly waiting?: { readonly reason: string; readonly message?: string };
    readonly terminated?: Termination;
  };
  readonly lastState?: { readonly terminated?: Termination };
}

interface Termination {
  readonly reason?: string;
  readonly exitCode: number;
}

interface Condition {
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
}

interface Event {
  readonly type: string;
  readonly reason: string;
  readonly message: string;
}

/** The fields of an object's metadata that the server sets. */
interface ServerMetadata {
  readonly uid?: string;
  readonly creationTimestamp?: string;
}

const created = ({ metadata }: Manifest): string => (metadata as ServerMetadata).creationTimestamp ?? '';

/** The pods that a workload selects, the newest last. */
export function podsOf(workload: Manifest, objects: readonly Manifest[]): readonly Manifest[] {
  const labels = Object.entries(workload.spec.selector?.matchLabels ?? {});
  return objects
    .filter(({ kind, metadata }) => kind === 'Pod' && labels.every(([key, value]) => metadata.labels?.[key] === value))
    .toSorted((a, b) => created(a).localeCompare(created(b)));
}

/** The containers of a workload's pods. */
export function containersOf(workload: Manifest, { objects }: Snapshot): readonly ContainerStatus[] {
  return podsOf(workload, objects).flatMap(({ status }) => status?.containerStatuses ?? []);
}

/** A condition of an object's status. */
export function condition(object: Manifest, type: string): Condition | undefined {
  return object.status?.conditions?.find((each: { type: string }) => each.type === type);
}

/** Whether an event reports a write that lost against a concurrent one. The server repeats it, so it is no failure. */
export const isConflict = ({ message }: Manifest): boolean => /the object has been modified/.test(message ?? '');

/** The events of an object, the latest last. */
export function eventsOf(object: Manifest, objects: readonly Manifest[]): readonly Event[] {
  const when = (event: Manifest): string => event.lastTimestamp ?? event.eventTime ?? created(event);
  const { uid } = object.metadata as ServerMetadata;
  return objects
    .filter((each) => each.kind === 'Event' && each.involvedObject?.uid === uid && !isConflict(each))
    .toSorted((a, b) => when(a).localeCompare(when(b)))
    .map(({ type, reason, message }) => ({ type, reason, message: message ?? '' }));
}

/** The last warning about a workload or one of its pods. */
export function lastWarning(workload: Manifest, { objects }: Snapshot): string | undefined {
  const events = [workload, ...podsOf(workload, objects)].flatMap((each) => eventsOf(each, objects));
  return events.findLast(({ type }) => type === 'Warning')?.message.split('\n')[0];
}

/** `exited with status 1` */
export function exitOf(terminated: Termination | undefined): string {
  if (!terminated) return 'the exit status is unknown';
  if (terminated.reason === 'OOMKilled') return 'out of memory (OOMKilled)';
  return terminated.exitCode > 128 ? `killed by signal ${terminated.exitCode - 128}` : `exited with status ${terminated.exitCode}`;
}
