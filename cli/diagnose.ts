import type { Manifest } from '../lib/render.ts';
import { type ContainerStatus, condition, eventsOf, exitOf, podsOf, type Snapshot } from './snapshot.ts';

/** The state of one workload. */
export interface Diagnosis {
  readonly name: string;
  readonly kind: string;
  /** Ready pods; of a Job, completed runs. */
  readonly ready: number;
  readonly wanted: number;
  /** `stuck` does not resolve by waiting. */
  readonly state: 'ready' | 'waiting' | 'stuck';
  /** What the workload waits for. Empty when it is ready. */
  readonly message: string;
  /** What to do about it. */
  readonly help?: string;
  /** The container whose log shows why it crashed. */
  readonly crashed?: { readonly pod: string; readonly container: string };
}

type Cause = Pick<Diagnosis, 'state' | 'message' | 'help' | 'crashed'>;

const waiting = (message: string): Cause => ({ state: 'waiting', message });
const stuck = (message: string, more: Pick<Cause, 'help' | 'crashed'> = {}): Cause => ({ state: 'stuck', message, ...more });

/** Returns the state of a manifest's workload, and the reason when it is not ready. */
export function diagnose(workload: Manifest, { objects }: Snapshot, profile: string): Diagnosis {
  const { kind } = workload;
  const { name } = workload.metadata;
  const found = objects.find((each) => each.kind === kind && each.metadata.name === name);
  const wanted: number = kind === 'Job' ? 1 : (found?.spec.replicas ?? workload.spec.replicas ?? 1);
  if (!found) return { name, kind, wanted, ready: 0, ...waiting('it does not exist') };
  const ready: number = (kind === 'Job' ? found.status?.succeeded : found.status?.readyReplicas) ?? 0;
  const cause = isSettled(found, wanted) ? ({ state: 'ready', message: '' } as const) : causeOf(found, wanted, objects, profile);
  return { name, kind, wanted, ready, ...cause };
}

/** Whether all wanted pods are ready and belong to the current version. */
function isSettled({ kind, metadata, status = {}, spec }: Manifest, wanted: number): boolean {
  if (kind === 'Job') return (status.succeeded ?? 0) >= 1;
  const { generation = 1 } = metadata as { readonly generation?: number };
  if ((status.observedGeneration ?? 0) < generation) return false;
  const updated = kind === 'StatefulSet' && status.currentRevision === status.updateRevision ? wanted : (status.updatedReplicas ?? 0);
  return spec.replicas !== undefined && [updated, status.replicas ?? 0, status.readyReplicas ?? 0].every((number) => number === wanted);
}

/** Why a workload is not ready. */
function causeOf(workload: Manifest, wanted: number, objects: readonly Manifest[], profile: string): Cause {
  const { kind, metadata } = workload;
  const pods = podsOf(workload, objects);
  if (condition(workload, 'Failed')?.status === 'True') {
    const pod = pods.at(-1)?.metadata.name;
    const container: string = workload.spec.template.spec.containers[0].name;
    return stuck('the Job failed', {
      help: `kubectl delete job ${metadata.name}, then run up again`,
      ...(pod && { crashed: { pod, container } }),
    });
  }
  const rejection = pods.length < wanted ? creationFailure(workload, objects) : undefined;
  if (rejection) return rejection;
  const causes = pods.map((pod) => podCause(pod, objects, profile)).filter((cause) => cause !== undefined);
  const rest = pods.length === 0 ? 'waiting for its pod to be created' : kind === 'Job' ? 'its pod is running' : 'rolling out';
  return causes.find(({ state }) => state === 'stuck') ?? causes[0] ?? waiting(rest);
}

/** Why the API server rejects a pod of the workload, such as a quota. A Deployment has a condition for it; the others only an event. */
function creationFailure(workload: Manifest, objects: readonly Manifest[]): Cause | undefined {
  const last = eventsOf(workload, objects).findLast(({ reason }) => reason === 'FailedCreate' || reason === 'SuccessfulCreate');
  const failure = [condition(workload, 'ReplicaFailure'), last].find((each) => each?.reason === 'FailedCreate');
  if (!failure) return undefined;
  const { message = '' } = failure;
  const [, name, requested, used, limited] = /exceeded quota: ([\w.-]+), requested: (.*?), used: (.*?), limited: (.*)/.exec(message) ?? [];
  if (!name) return stuck(`the API server rejects its pod: ${message}`);
  return stuck(`the quota "${name}" is exhausted: its pod requests ${requested}, and ${used} of ${limited} are used`, {
    help: 'raise settings.setup.quota and run up again, or delete something that uses the quota',
  });
}

/** Why a pod is not ready. @returns undefined when it is ready */
function podCause(pod: Manifest, objects: readonly Manifest[], profile: string): Cause | undefined {
  if ((pod.metadata as { readonly deletionTimestamp?: string }).deletionTimestamp) return waiting('the old pod is terminating');
  if (condition(pod, 'Ready')?.status === 'True') return undefined;
  const scheduled = condition(pod, 'PodScheduled');
  if (scheduled?.reason === 'Unschedulable') return unschedulable(pod, scheduled.message ?? '', objects);
  if (scheduled?.status === 'False') return waiting('waiting to be scheduled');
  const statuses: readonly ContainerStatus[] | undefined = pod.status?.containerStatuses;
  if (!statuses) return waiting('its node is starting the pod');
  const causes = statuses.map((status) => containerCause(pod, status, objects, profile)).filter((cause) => cause !== undefined);
  return causes.find(({ state }) => state === 'stuck') ?? causes[0] ?? waiting('its pod is not ready yet');
}

/** Why the scheduler finds no node: a disk that the pod waits for, or no node with room. */
function unschedulable(pod: Manifest, message: string, objects: readonly Manifest[]): Cause {
  const claims: string[] = (pod.spec.volumes ?? []).flatMap((volume: Manifest) => volume.persistentVolumeClaim?.claimName ?? []);
  for (const claim of objects.filter(({ kind, metadata }) => kind === 'PersistentVolumeClaim' && claims.includes(metadata.name))) {
    if (claim.status?.phase !== 'Pending') continue;
    const events = eventsOf(claim, objects);
    const failure = events.findLast(({ type, reason }) => type === 'Warning' || reason === 'FailedBinding');
    if (failure)
      return stuck(`its disk ${claim.metadata.name} cannot be provisioned: ${failure.message}`, {
        help: 'kubectl get storageclass lists the provisioners of this cluster',
      });
    // Such a claim waits for the pod, not the pod for the claim.
    if (!events.some(({ reason }) => reason === 'WaitForFirstConsumer' || reason === 'WaitForPodScheduled'))
      return waiting(`waiting for its disk ${claim.metadata.name}`);
  }
  return stuck(`no node can run it: ${message.replace(/ preemption:.*/, '')}`, {
    help: 'add a node, free capacity, or lower the settings; kubectl describe nodes shows what is in use',
  });
}

const IMAGE_REASONS = ['ErrImageNeverPull', 'ImagePullBackOff', 'ErrImagePull', 'InvalidImageName'];

/** Why a container is not ready. @returns undefined when it is ready */
function containerCause(pod: Manifest, status: ContainerStatus, objects: readonly Manifest[], profile: string): Cause | undefined {
  const { name } = status;
  const spec = pod.spec.containers.find((each: Manifest) => each.name === name);
  const { waiting: wait, terminated } = status.state;
  if (wait?.reason === 'CrashLoopBackOff' || (terminated && terminated.exitCode !== 0)) {
    // The first start is no restart.
    const times = status.restartCount + 1;
    const message = `${name} crashed ${times === 1 ? 'once' : `${times} times`}: ${exitOf(terminated ?? status.lastState?.terminated)}`;
    const help = `kubectl logs ${pod.metadata.name} --container=${name} --previous`;
    return times >= 3 ? stuck(message, { help, crashed: { pod: pod.metadata.name, container: name } }) : waiting(message);
  }
  const events = eventsOf(pod, objects);
  if (wait && IMAGE_REASONS.includes(wait.reason)) {
    const failure = events.findLast(({ reason, message }) => reason === 'Failed' && message.includes(spec.image))?.message ?? wait.message;
    const cause = failure?.replace(/^Failed to pull image "[^"]*": /, '') ?? wait.reason;
    return stuck(`cannot pull the image ${spec.image}: ${cause}`, {
      help: `check the name in settings/images.ts and the access to the registry; ${loadHelp(spec.image)}`,
    });
  }
  if (wait?.reason === 'CreateContainerConfigError')
    return missingSecret(wait.message ?? '', profile) ?? stuck(`${name} cannot be created: ${wait.message}`);
  if (wait) {
    const mount = events.findLast(({ reason }) => reason === 'FailedMount' || reason === 'FailedAttachVolume');
    if (mount) return missingSecret(mount.message, profile) ?? waiting(`waiting for a volume: ${mount.message}`);
    const isPulling = events.findLast(({ reason }) => reason === 'Pulling' || reason === 'Pulled')?.reason === 'Pulling';
    return waiting(isPulling ? `pulling the image ${spec.image}` : `creating the container ${name}`);
  }
  if (status.ready) return undefined;
  if (!spec.readinessProbe) return waiting(`${name} is running`);
  const kind = status.started === false && spec.startupProbe ? 'startup' : 'readiness';
  const failure = events.findLast(({ reason, message }) => reason === 'Unhealthy' && message.toLowerCase().startsWith(kind))?.message;
  const output = failure?.replace(/^\w+ probe failed:?/, '').trim();
  return waiting(
    `waiting for the ${kind} probe of ${name} (${actionOf(spec[`${kind}Probe`])})${output ? `: ${output.split('\n')[0]}` : ''}`,
  );
}

/** The advice for an image that no registry has. */
export function loadHelp(image: string): string {
  return `on kind, kind load docker-image ${image.replace(/^docker\.io\/(library\/)?/, '')} loads a local build into the nodes`;
}

/** The Secret or key that a message of the kubelet names. @returns undefined when it names none */
function missingSecret(message: string, profile: string): Cause | undefined {
  const name = /secret "([^"]+)" not found/.exec(message)?.[1];
  const [, key, secret] =
    /couldn't find key (\S+) in Secret (\S+)/.exec(message) ?? /references non-existent secret key: (\S+)()/.exec(message) ?? [];
  if (!name && !key) return undefined;
  const what = name ? `the Secret ${name}` : `the key ${key} of ${secret ? `the Secret ${secret}` : 'a Secret'}`;
  return stuck(`${what} is missing`, { help: `npm run secrets -- --profile ${profile}` });
}

/** `GET /ready at http` */
function actionOf(probe: Manifest | undefined): string {
  if (probe?.httpGet) return `GET ${probe.httpGet.path} at port ${probe.httpGet.port}`;
  return probe?.tcpSocket ? `port ${probe.tcpSocket.port}` : 'a command';
}
