import { type ApiObject, Duration } from 'cdk8s';
import { k8s } from 'cdk8s-plus-27';
import type { Component, Service } from './component.ts';
import { hash } from './config.ts';
import { completeTemplate, type Disk } from './disk.ts';
import { type PodShape, pod } from './pod.ts';
import type { Manifest } from './render.ts';

interface Replicated extends PodShape {
  /** Number of pods. @default 1 */
  readonly replicas?: number;
  /** Why the program needs Secrets in environment variables. @default - it reads files */
  readonly secretEnvReason?: string;
}

/** Pods with a disk each. */
export interface StatefulSetShape extends Replicated {
  /** The headless Service that names the pods. */
  readonly service: Service;
  /** Never schedules two pods on one node, as a quorum needs. @default false, spreads them where possible */
  readonly requireAntiAffinity?: boolean;
}

/** A StatefulSet with the component's name. Most of its fields except the replicas and the pod template are immutable. */
export function statefulSet(component: Component, shape: StatefulSetShape): void {
  const { replicas = 1 } = shape;
  const template = pod(component, shape, component.name);
  const claims = shape.containers
    .flatMap((container) => container.mounts ?? [])
    .flatMap((mount) => (mount.claim ? [completeTemplate(mount.name, mount.claim)] : []));
  const workload = new k8s.KubeStatefulSet(component, 'workload', {
    metadata: metadata(component, component.name, component.name, shape),
    spec: {
      serviceName: shape.service.name,
      replicas,
      // No pod needs an order, and OrderedReady never replaces a broken revision (kubernetes#67250).
      podManagementPolicy: 'Parallel',
      updateStrategy: { type: 'RollingUpdate' },
      revisionHistoryLimit: 3,
      persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
      selector: { matchLabels: component.workloadSelector() },
      template: replicas > 1 ? spread(template, component.workloadSelector(), shape.requireAntiAffinity) : template,
    },
  });
  if (claims.length > 0)
    amendSpec(workload, (spec) => {
      spec.volumeClaimTemplates = claims;
    });
  if (replicas > 1) budget(component, component.name, component.workloadSelector());
}

/** Interchangeable pods. */
export interface DeploymentShape extends Replicated {
  /** Name of the Deployment. @default - the component's */
  readonly name?: string;
  /** `RollingUpdate` starts the new pod first; `Recreate` never runs two pods. */
  readonly strategy: 'RollingUpdate' | 'Recreate';
  /** An autoscaler sets the number of pods. @default false */
  readonly autoscaled?: boolean;
  /** Seconds that a terminating pod continues to serve. @default 0 */
  readonly preStopSleep?: number;
  /** Labels of the pods among which these are spread over nodes and zones. @default - with `RollingUpdate`, those of the Deployment */
  readonly spreadAmong?: Record<string, string>;
}

/** Creates a Deployment. */
export function deployment(component: Component, shape: DeploymentShape): void {
  const { name = component.name, replicas = 1, strategy, preStopSleep = 0 } = shape;
  const selector = component.workloadSelector(name);
  // Also with one replica: scaling to two must not change the template, which would replace the first pod.
  const spreadAmong = shape.spreadAmong ?? (strategy === 'RollingUpdate' ? selector : undefined);
  const template = pod(component, { ...shape, grace: Duration.seconds(shape.grace.toSeconds() + preStopSleep) }, name);
  const workload = new k8s.KubeDeployment(component, `workload-${name}`, {
    metadata: metadata(component, name, name, shape, strategy === 'Recreate' ? ['deployment-strategy', 'deployment-replicas'] : []),
    spec: {
      ...(!shape.autoscaled && { replicas }),
      revisionHistoryLimit: 3,
      strategy:
        strategy === 'Recreate'
          ? { type: 'Recreate' }
          : {
              type: 'RollingUpdate',
              rollingUpdate: { maxSurge: k8s.IntOrString.fromNumber(1), maxUnavailable: k8s.IntOrString.fromNumber(0) },
            },
      selector: { matchLabels: selector },
      template: spreadAmong ? spread(template, spreadAmong) : template,
    },
  });
  if (preStopSleep > 0)
    amendSpec(workload, (spec) => {
      for (const container of spec.template.spec.containers) container.lifecycle = { preStop: { sleep: { seconds: preStopSleep } } };
    });
  if (replicas > 1) budget(component, name, selector);
}

/**
 * A Deployment with one pod for each disk, all behind the component's Services: the pods of a single Deployment would share one disk.
 * A change of the manifests replaces all of them at once. Each pod therefore serves until the pods before it have restarted: kube-proxy
 * sends traffic to terminating pods while no other pod is ready.
 */
export function deploymentPerDisk(component: Component, disks: readonly Disk[], shape: (disk: Disk) => PodShape): void {
  const several = disks.length > 1;
  for (const [index, disk] of disks.entries())
    deployment(component, {
      ...shape(disk),
      name: `${component.name}-${index}`,
      strategy: 'Recreate',
      ...(several && { preStopSleep: ENDPOINT_REMOVAL + index * RESTART, spreadAmong: component.podSelector }),
    });
  if (several) budget(component, component.name, component.podSelector);
}

/** Seconds until all nodes have removed a terminating pod from their routes. */
const ENDPOINT_REMOVAL = 5;
/** Seconds until the successor of a terminating pod is ready. */
const RESTART = 30;

/** Adds fields that the API classes drop: those of templates in a list, and those that are newer than Kubernetes 1.27. */
function amendSpec(object: ApiObject, amend: (spec: Manifest['spec']) => void): void {
  const toJson = object.toJson.bind(object);
  object.toJson = () => {
    const json = toJson();
    amend(json.spec);
    return json;
  };
}

/**
 * A Job whose name ends in a hash of its pod, so that a changed pod is a new Job.
 * With a `deadline` it runs once and may take that long; otherwise it is retried until it succeeds.
 */
export function job(component: Component, shape: PodShape, deadline?: Duration): void {
  // With `Never`, a failed pod and its log remain.
  const template = pod(component, shape, component.name, deadline ? 'Never' : 'OnFailure');
  const checksums = shape.containers.flatMap(({ mounts = [] }) => mounts.map(({ checksum }) => checksum?.()));
  const name = `${component.name}-${hash([template.metadata?.labels, template.spec, checksums]).slice(0, 8)}`;
  new k8s.KubeJob(component, 'workload', {
    metadata: metadata(component, name, component.name, shape),
    spec: deadline
      ? { backoffLimit: 0, activeDeadlineSeconds: deadline.toSeconds(), template }
      : // With exponential back-off, 15 retries take about an hour: longer than any component's first start.
        { backoffLimit: 15, template },
  });
}

/** A workload's metadata, with annotations for the checks of kube-score and checkov that do not apply to it. */
function metadata(
  component: Component,
  name: string,
  instance: string,
  { secretEnvReason, group = 10_001 }: Pick<Replicated, 'secretEnvReason' | 'group'>,
  scoreExceptions: readonly string[] = [],
): k8s.ObjectMeta {
  const loaded = component.shared.imagePullPolicy === 'IfNotPresent';
  const ignored = [
    ...scoreExceptions,
    // kube-score requires group ids that no node uses.
    ...(group > 10_000 ? [] : ['container-security-context-user-group-id']),
    ...(loaded ? ['container-image-pull-policy'] : []),
  ];
  const skipped = [
    ...(loaded ? ['CKV_K8S_15=the images are loaded into the nodes and their tags are pinned'] : []),
    ...(secretEnvReason ? [`CKV_K8S_35=${secretEnvReason}`] : []),
  ];
  const annotations = {
    ...(ignored.length > 0 && { 'kube-score/ignore': ignored.join(',') }),
    ...Object.fromEntries(skipped.map((exception, index) => [`checkov.io/skip${index + 1}`, exception])),
  };
  return { ...component.metadata(name, instance), ...(Object.keys(annotations).length > 0 && { annotations }) };
}

function budget(component: Component, name: string, matchLabels: Record<string, string>): void {
  new k8s.KubePodDisruptionBudget(component, `budget-${name}`, {
    metadata: component.metadata(name, name),
    spec: {
      maxUnavailable: k8s.IntOrString.fromNumber(1),
      // A pod that is not ready must not block a drain.
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
      // Has no effect in a cluster without zones.
      topologySpreadConstraints: [
        { maxSkew: 1, topologyKey: 'topology.kubernetes.io/zone', whenUnsatisfiable: 'ScheduleAnyway', labelSelector },
      ],
    },
  };
}
