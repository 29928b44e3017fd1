import type { Manifest } from '../lib/render.ts';

/** What is known of the namespace at one moment. */
export interface Snapshot {
  /** Everything that `kubectl get` answered with: workloads, their replica sets, pods, claims and events. */
  readonly objects: readonly Manifest[];
}

/** How one workload is. */
export interface Diagnosis {
  readonly name: string;
  readonly kind: string;
  /** Pods that serve, of those there should be; of a Job: runs that ended well. */
  readonly ready: number;
  readonly wanted: number;
  /** `stuck` does not end by waiting. */
  readonly state: 'ready' | 'waiting' | 'stuck';
  /** What it waits for, for a person. Empty when ready. */
  readonly words: string;
  /** What to do about it. */
  readonly help?: string;
  /** The container that crashed: its last log lines tell why. */
  readonly crashed?: { readonly pod: string; readonly container: string };
}

type Found = Pick<Diagnosis, 'state' | 'words' | 'help' | 'crashed'>;

const waiting = (words: string): Found => ({ state: 'waiting', words });
const stuck = (words: string, help?: string, crashed?: Diagnosis['crashed']): Found => ({
  state: 'stuck',
  words,
  ...(help && { help }),
  ...(crashed && { crashed }),
});

/** How the workload of the manifest is, and what it waits for right now. */
export function diagnose(workload: Manifest, { objects }: Snapshot, profile: string): Diagnosis {
  const { kind } = workload;
  const { name } = workload.metadata;
  const found = objects.find((each) => each.kind === kind && each.metadata.name === name);
  const wanted: number = kind === 'Job' ? 1 : (found?.spec.replicas ?? workload.spec.replicas ?? 1);
  if (!found) return { name, kind, wanted, ready: 0, ...waiting('it is not there') };
  const { status = {} } = found;
  const ready: number = (kind === 'Job' ? status.succeeded : status.readyReplicas) ?? 0;
  const about = { name, kind, wanted, ready };
  if (settled(found, wanted)) return { ...about, state: 'ready', words: '' };
  if (condition(found, 'Failed')?.status === 'True') {
    const pod = podsOf(found, objects).at(-1)?.metadata.name;
    const container: string = workload.spec.template.spec.containers[0].name;
    return { ...about, ...stuck('it failed for good', `kubectl delete job ${name}, then up again`, pod ? { pod, container } : undefined) };
  }
  const pods = podsOf(found, objects);
  const refused = creationRefused(found, objects);
  if (refused && pods.length < wanted) return { ...about, ...refused };
  const reasons = pods.map((pod) => podReason(pod, objects, profile)).filter((reason) => reason !== undefined);
  const worst = reasons.find(({ state }) => state === 'stuck') ?? reasons[0];
  const rest = kind === 'Job' ? 'its pod is at work' : 'the new pods take over';
  return { ...about, ...(worst ?? waiting(pods.length === 0 ? 'its pod is being made' : rest)) };
}

/** Whether everything that the object asks for serves, and nothing of a former version does. */
function settled({ kind, metadata, status = {}, spec }: Manifest, wanted: number): boolean {
  if (kind === 'Job') return (status.succeeded ?? 0) >= 1;
  if ((status.observedGeneration ?? 0) < ((metadata as Meta).generation ?? 1)) return false;
  const updated = kind === 'StatefulSet' && status.currentRevision === status.updateRevision ? wanted : (status.updatedReplicas ?? 0);
  return spec.replicas !== undefined && [updated, status.replicas ?? 0, status.readyReplicas ?? 0].every((number) => number === wanted);
}

/** The pods that belong to it, the newest last. */
function podsOf(workload: Manifest, objects: readonly Manifest[]): readonly Manifest[] {
  const owners = new Set([uid(workload), ...objects.filter((each) => ownedBy(each, uid(workload))).map(uid)]);
  return objects
    .filter((each) => each.kind === 'Pod' && (each.metadata as Meta).ownerReferences?.some((owner) => owners.has(owner.uid)))
    .toSorted((a, b) => created(a).localeCompare(created(b)));
}

/** Why the server makes no pod of it: a quota that is used up, a policy. */
function creationRefused(workload: Manifest, objects: readonly Manifest[]): Found | undefined {
  const makers = [workload, ...objects.filter((each) => ownedBy(each, uid(workload)) && each.kind === 'ReplicaSet')];
  const event = makers.flatMap((each) => eventsOf(each, objects)).findLast(({ reason }) => reason === 'FailedCreate');
  if (!event) return undefined;
  const quota = /exceeded quota: ([\w-]+), requested: (.*?), used: (.*?), limited: (.*)/.exec(event.message);
  if (quota) {
    const [, name, requested, used, limited] = quota;
    return stuck(
      `the quota "${name}" is used up: it asks for ${requested}, ${used} are taken of ${limited}`,
      'raise settings.setup.quota and run up again, or remove what takes it',
    );
  }
  return stuck(`the server refuses its pod: ${event.message}`);
}

/** What keeps a pod from serving. @default undefined - nothing does */
function podReason(pod: Manifest, objects: readonly Manifest[], profile: string): Found | undefined {
  if ((pod.metadata as Meta).deletionTimestamp) return waiting('the former pod ends');
  const { status = {} } = pod;
  if (condition(pod, 'Ready')?.status === 'True') return undefined;
  const scheduled = condition(pod, 'PodScheduled');
  if (scheduled?.status === 'False') return unscheduled(pod, scheduled.message ?? '', objects);
  for (const container of status.containerStatuses ?? []) {
    const reason = containerReason(pod, container, objects, profile);
    if (reason) return reason;
  }
  if (!status.containerStatuses) return waiting('a node takes it');
  return waiting('its pod is not ready yet');
}

function unscheduled(pod: Manifest, message: string, objects: readonly Manifest[]): Found {
  const claims: string[] = (pod.spec.volumes ?? []).flatMap((volume: Manifest) => volume.persistentVolumeClaim?.claimName ?? []);
  const pending = objects.find(
    (each) => each.kind === 'PersistentVolumeClaim' && claims.includes(each.metadata.name) && each.status?.phase === 'Pending',
  );
  const failed = pending && eventsOf(pending, objects).findLast(({ type, reason }) => type === 'Warning' || reason === 'FailedBinding');
  if (pending && failed) {
    return stuck(
      `its disk ${pending.metadata.name} cannot be made: ${failed.message}`,
      'kubectl get storageclass shows what makes disks here',
    );
  }
  if (/Insufficient|didn't match|untolerated|node\(s\)|no nodes available/.test(message)) {
    return stuck(
      `no node takes it: ${message.replace(/ preemption:.*/, '')}`,
      'add a node, free some, or make settings smaller; kubectl describe nodes shows what is taken',
    );
  }
  return waiting('a node is looked for');
}

interface ContainerStatus {
  readonly name: string;
  readonly image: string;
  readonly ready: boolean;
  readonly started?: boolean;
  readonly restartCount: number;
  readonly state: {
    readonly waiting?: { readonly reason: string; readonly message?: string };
    readonly terminated?: Ended;
    readonly running?: object;
  };
  readonly lastState?: { readonly terminated?: Ended };
}

interface Ended {
  readonly reason?: string;
  readonly exitCode: number;
}

function containerReason(pod: Manifest, status: ContainerStatus, objects: readonly Manifest[], profile: string): Found | undefined {
  const spec = pod.spec.containers.find(({ name }: { name: string }) => name === status.name);
  const { waiting: wait, terminated } = status.state;
  const of = pod.spec.containers.length > 1 ? ` of ${status.name}` : '';
  const crashed = { pod: pod.metadata.name, container: status.name };
  if (wait?.reason === 'CrashLoopBackOff' || (terminated && terminated.exitCode !== 0)) {
    const ended = terminated ?? status.lastState?.terminated;
    // It counts starts after the first one; whether it waits to start again or not, it has ended once more than that.
    const times = status.restartCount + 1;
    const words = `${status.name} ends ${why(ended)}, ${times === 1 ? 'once' : `${times} times`} so far`;
    const help = `kubectl logs ${pod.metadata.name} --container=${status.name} --previous`;
    return times >= 3 ? stuck(words, help, crashed) : waiting(words);
  }
  if (
    wait?.reason === 'ErrImageNeverPull' ||
    wait?.reason === 'ImagePullBackOff' ||
    wait?.reason === 'ErrImagePull' ||
    wait?.reason === 'InvalidImageName'
  ) {
    const event = eventsOf(pod, objects).findLast(({ reason, message }) => reason === 'Failed' && message.includes('image'));
    const cause = /not found|NotFound/.test(event?.message ?? '') ? 'no registry has it under that name' : 'the registry does not give it';
    return stuck(
      `the image ${spec.image} cannot be pulled: ${cause}`,
      `kubectl describe pod ${pod.metadata.name} has the registry's answer; ${loadHelp(spec.image)}`,
    );
  }
  if (wait?.reason === 'CreateContainerConfigError')
    return secretMissing(wait.message ?? '', profile) ?? stuck(`${status.name} cannot be made: ${wait.message}`);
  if (wait) {
    const events = eventsOf(pod, objects);
    const mount = events.findLast(({ reason }) => reason === 'FailedMount' || reason === 'FailedAttachVolume');
    const missing = mount && secretMissing(mount.message, profile);
    if (missing) return missing;
    if (mount) return waiting(`a volume is not there yet: ${mount.message}`);
    const last = events.findLast(({ reason }) => reason === 'Pulling' || reason === 'Pulled');
    return waiting(last?.reason === 'Pulling' ? `the image ${spec.image} is pulled` : `the container${of} is made`);
  }
  if (status.ready || !spec.readinessProbe) return status.ready ? undefined : waiting(`${status.name} is at work`);
  const kind = status.started === false && spec.startupProbe ? 'startup' : 'readiness';
  const answer = eventsOf(pod, objects).findLast(({ reason, message }) => reason === 'Unhealthy' && message.toLowerCase().startsWith(kind));
  const said = answer
    ? `: ${
        answer.message
          .replace(/^\w+ probe failed: ?/, '')
          .trim()
          .split('\n')[0] || 'it says nothing'
      }`
    : '';
  return waiting(`its ${kind} probe${of} (${asked(spec[`${kind}Probe`])}) is not answered yet${said}`);
}

/** The command that helps where no registry has an image. */
export function loadHelp(image: string): string {
  const short = image.replace(/^docker\.io\/(library\/)?/, '');
  return `on kind, kind load docker-image ${short} brings one that you built into the nodes`;
}

function secretMissing(message: string, profile: string): Found | undefined {
  const [, name] = /secret "([^"]+)" not found/.exec(message) ?? [];
  const [, key, of] =
    /couldn't find key (\S+) in Secret (\S+)/.exec(message) ?? /references non-existent secret key: (\S+)()/.exec(message) ?? [];
  if (!name && !key) return undefined;
  const what = name ? `the Secret ${name} is missing` : `the key ${key}${of ? ` of the Secret ${of}` : ' of a Secret'} is missing`;
  return stuck(what, `npm run secrets -- --profile ${profile}`);
}

/** How a container ended, for a person. */
export function why(ended: Ended | undefined): string {
  if (!ended) return 'without a word';
  if (ended.reason === 'OOMKilled') return 'for want of memory (OOMKilled)';
  if (ended.exitCode > 128) return `by signal ${ended.exitCode - 128}`;
  return `with status ${ended.exitCode}`;
}

/** `GET /ready at http`, `port redis`, `command redis-cli`. */
function asked(probe: Manifest | undefined): string {
  if (probe?.httpGet) return `GET ${probe.httpGet.path} at ${probe.httpGet.port}`;
  if (probe?.tcpSocket) return `port ${probe.tcpSocket.port}`;
  return 'a command';
}

interface Meta {
  readonly generation?: number;
  readonly uid?: string;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly ownerReferences?: readonly { readonly uid: string }[];
}

const uid = (object: Manifest): string => (object.metadata as Meta).uid ?? '';
const created = (object: Manifest): string => (object.metadata as Meta).creationTimestamp ?? '';
const ownedBy = (object: Manifest, owner: string): boolean =>
  (object.metadata as Meta).ownerReferences?.some((each) => each.uid === owner) ?? false;

function condition(object: Manifest, type: string): { readonly status: string; readonly message?: string } | undefined {
  return object.status?.conditions?.find((each: { type: string }) => each.type === type);
}

/**
 * Whether an event tells of two parts of the server that changed an object at once. The later one tries again by itself:
 * it is no failure.
 */
export const isConflict = ({ message }: Manifest): boolean => /the object has been modified/.test(message ?? '');

/** What is told of an object, the latest last. */
function eventsOf(object: Manifest, objects: readonly Manifest[]): readonly { type: string; reason: string; message: string }[] {
  const when = (event: Manifest): string => event.lastTimestamp ?? event.eventTime ?? created(event);
  return objects
    .filter((each) => each.kind === 'Event' && each.involvedObject?.uid === uid(object) && !isConflict(each))
    .toSorted((a, b) => when(a).localeCompare(when(b)))
    .map(({ type, reason, message }) => ({ type, reason, message: message ?? '' }));
}

/** The last warning about a workload or one of its pods. @default undefined - there is none */
export function lastWarning(workload: Manifest, { objects }: Snapshot): string | undefined {
  const all = [workload, ...podsOf(workload, objects)].flatMap((each) => eventsOf(each, objects));
  return all.findLast(({ type }) => type === 'Warning')?.message.split('\n')[0];
}

/** The workload's containers, as the kubelet last told. */
export function containersOf(workload: Manifest, { objects }: Snapshot): readonly ContainerStatus[] {
  return podsOf(workload, objects).flatMap(({ status }) => status?.containerStatuses ?? []);
}
