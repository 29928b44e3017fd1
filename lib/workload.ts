import { Duration } from 'cdk8s';
import { k8s } from 'cdk8s-plus-27';
import type { Component, Served } from './component.ts';
import { hash } from './config.ts';
import { type Disk, storedTemplate } from './disk.ts';
import { type PodShape, pod } from './pod.ts';

interface Replicated extends PodShape {
  /** How many pods. @default 1 */
  readonly replicas?: number;
  /** Why the program cannot read its Secrets from files. @default - it does */
  readonly secretVariables?: string;
}

/** The pods that keep a disk of their own each. */
export interface StatefulSetShape extends Replicated {
  /** The headless Service that names the pods. */
  readonly service: Served<string>;
  /** Members of a quorum never share a node. @default - spread where possible */
  readonly requireAntiAffinity?: boolean;
}

/** A StatefulSet of the component's name. Everything but replicas and the pod is immutable once it holds data. */
export function statefulSet(component: Component, shape: StatefulSetShape): void {
  const { replicas = 1 } = shape;
  const claims = shape.containers
    .flatMap((container) => container.mounts ?? [])
    .flatMap((mount) => (mount.claim ? [storedTemplate(mount.name, mount.claim)] : []));
  const props: k8s.KubeStatefulSetProps = {
    metadata: metadata(component, component.name, component.name, shape),
    spec: {
      serviceName: shape.service.name,
      replicas,
      // Nothing here needs an order, and OrderedReady waits for ever on a broken revision (kubernetes#67250).
      podManagementPolicy: 'Parallel',
      updateStrategy: { type: 'RollingUpdate' },
      revisionHistoryLimit: 3,
      persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
      selector: { matchLabels: component.selector() },
      template:
        replicas > 1
          ? spread(pod(component, shape, component.name), component.selector(), shape.requireAntiAffinity)
          : pod(component, shape, component.name),
    },
  };
  new StatefulSetWithClaims(component, 'workload', props, claims);
  if (replicas > 1) budget(component, component.name, component.selector());
}

/** A StatefulSet with whole claim templates: the API classes drop their apiVersion, kind and status. */
class StatefulSetWithClaims extends k8s.KubeStatefulSet {
  constructor(
    component: Component,
    id: string,
    props: k8s.KubeStatefulSetProps,
    private readonly claims: readonly object[],
  ) {
    super(component, id, props);
  }

  override toJson(): ReturnType<k8s.KubeStatefulSet['toJson']> {
    const json = super.toJson();
    if (this.claims.length > 0) json.spec.volumeClaimTemplates = this.claims;
    return json;
  }
}

/** Pods without a disk of their own. */
export interface DeploymentShape extends Replicated {
  /** The workload's name. @default - the component's */
  readonly name?: string;
  /** How pods are replaced: `RollingUpdate` starts the new one first; `Recreate` never has two, as one disk or one clock demands. */
  readonly strategy: 'RollingUpdate' | 'Recreate';
  /** Something else decides how many pods there are. @default false */
  readonly scaled?: boolean;
  /** Which one this is of several Deployments that do the same work. @default - it is the only one */
  readonly sibling?: { readonly index: number; readonly of: number };
}

/** A Deployment. */
export function deployment(component: Component, shape: DeploymentShape): void {
  const { name = component.name, replicas = 1, sibling = { index: 0, of: 1 } } = shape;
  const selector = component.selector(name);
  // A change of the manifests replaces all siblings at once. Each keeps serving until those before it are back:
  // kube-proxy sends traffic to pods that are stopping as long as no other is ready.
  const wait = sibling.of > 1 ? ENDPOINT_REMOVAL + sibling.index * RESTART : 0;
  const template = pod(component, { ...shape, grace: Duration.seconds(shape.grace.toSeconds() + wait) }, name);
  const props: k8s.KubeDeploymentProps = {
    metadata: metadata(component, name, name, shape, shape.strategy === 'Recreate' ? ['deployment-strategy', 'deployment-replicas'] : []),
    spec: {
      ...(!shape.scaled && { replicas }),
      revisionHistoryLimit: 3,
      strategy:
        shape.strategy === 'Recreate'
          ? { type: 'Recreate' }
          : {
              type: 'RollingUpdate',
              rollingUpdate: { maxSurge: k8s.IntOrString.fromNumber(1), maxUnavailable: k8s.IntOrString.fromNumber(0) },
            },
      selector: { matchLabels: selector },
      // Also with one replica: scaling to two must not change the template, which would replace the first pod.
      template:
        sibling.of > 1 ? spread(template, component.everyPod) : shape.strategy === 'RollingUpdate' ? spread(template, selector) : template,
    },
  };
  if (wait > 0) new DeploymentWithPreStopSleep(component, `workload-${name}`, props, wait);
  else new k8s.KubeDeployment(component, `workload-${name}`, props);
  if (replicas > 1) budget(component, name, selector);
}

/**
 * Deployments of one pod each, one for each disk, all behind the component's Services: the pods of a single Deployment would have
 * to share one disk.
 */
export function deploymentPerDisk(component: Component, disks: readonly Disk[], shape: (disk: Disk) => PodShape): void {
  for (const [index, disk] of disks.entries())
    deployment(component, {
      ...shape(disk),
      name: `${component.name}-${index}`,
      strategy: 'Recreate',
      sibling: { index, of: disks.length },
    });
  if (disks.length > 1) budget(component, component.name, component.everyPod);
}

/** Seconds until no node sends traffic to a pod that is stopping, where there is another. */
const ENDPOINT_REMOVAL = 5;
/** Seconds in which a pod stops and its successor is ready. */
const RESTART = 30;

/** A Deployment whose pods keep serving for some seconds after they were told to stop. */
class DeploymentWithPreStopSleep extends k8s.KubeDeployment {
  constructor(
    component: Component,
    id: string,
    props: k8s.KubeDeploymentProps,
    private readonly seconds: number,
  ) {
    super(component, id, props);
  }

  /** The API classes are those of Kubernetes 1.27, which drop a preStop hook that sleeps (1.30). */
  override toJson(): ReturnType<k8s.KubeDeployment['toJson']> {
    const json = super.toJson();
    for (const container of json.spec.template.spec.containers) container.lifecycle = { preStop: { sleep: { seconds: this.seconds } } };
    return json;
  }
}

/**
 * A Job whose name ends in a fingerprint of its pod: an unchanged one is left alone, a changed one is a new Job.
 * `once`: its first end is its last, and it takes no longer than that.
 */
export function job(component: Component, shape: PodShape, once?: Duration): void {
  // A pod that failed for good stays, with its log, unless it is started again in place.
  const template = pod(component, shape, component.name, once ? 'Never' : 'OnFailure');
  const checksums = shape.containers.flatMap(({ mounts = [] }) => mounts.map(({ checksum }) => checksum?.()));
  const name = `${component.name}-${hash([template.metadata?.labels, template.spec, checksums]).slice(0, 8)}`;
  new k8s.KubeJob(component, 'workload', {
    metadata: metadata(component, name, component.name, shape),
    spec: once
      ? { backoffLimit: 0, activeDeadlineSeconds: once.toSeconds(), template }
      : // With the growing pause between two tries, this lasts for an hour: longer than any component's first start.
        { backoffLimit: 15, template },
  });
}

/** A workload's metadata, with the checks that do not fit it where kube-score and checkov look for their exceptions. */
function metadata(
  component: Component,
  name: string,
  instance: string,
  { secretVariables, group = 10_001 }: Pick<Replicated, 'secretVariables' | 'group'>,
  score: readonly string[] = [],
): k8s.ObjectMeta {
  const loaded = component.shared.pull === 'IfNotPresent';
  const ignored = [
    ...score,
    // kube-score wants group numbers that no node uses.
    ...(group > 10_000 ? [] : ['container-security-context-user-group-id']),
    ...(loaded ? ['container-image-pull-policy'] : []),
  ];
  const skipped = [
    ...(loaded ? ['CKV_K8S_15=the images are loaded into the nodes and their tags are pinned'] : []),
    ...(secretVariables ? [`CKV_K8S_35=${secretVariables}`] : []),
  ];
  const annotations = {
    ...(ignored.length > 0 && { 'kube-score/ignore': ignored.join(',') }),
    ...Object.fromEntries(skipped.map((exception, at) => [`checkov.io/skip${at + 1}`, exception])),
  };
  return { ...component.metadata(name, instance), ...(Object.keys(annotations).length > 0 && { annotations }) };
}

function budget(component: Component, name: string, matchLabels: Record<string, string>): void {
  new k8s.KubePodDisruptionBudget(component, `budget-${name}`, {
    metadata: component.metadata(name, name),
    spec: {
      maxUnavailable: k8s.IntOrString.fromNumber(1),
      // A pod that is broken anyway does not hold up a drain.
      unhealthyPodEvictionPolicy: 'AlwaysAllow',
      selector: { matchLabels },
    },
  });
}

function spread(template: k8s.PodTemplateSpec, matchLabels: Record<string, string>, requireAntiAffinity = false): k8s.PodTemplateSpec {
  if (!template.spec) return template;
  const labelSelector = { matchLabels };
  const host = { topologyKey: 'kubernetes.io/hostname', labelSelector };
  return {
    ...template,
    spec: {
      ...template.spec,
      affinity: {
        podAntiAffinity: requireAntiAffinity
          ? { requiredDuringSchedulingIgnoredDuringExecution: [host] }
          : { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, podAffinityTerm: host }] },
      },
      // A cluster without zones is one zone.
      topologySpreadConstraints: [
        { maxSkew: 1, topologyKey: 'topology.kubernetes.io/zone', whenUnsatisfiable: 'ScheduleAnyway', labelSelector },
      ],
    },
  };
}
