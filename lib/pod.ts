import { type Duration, Lazy, Size } from 'cdk8s';
import { type Cpu, k8s } from 'cdk8s-plus-27';
import { type Component, numberOf, type Port, protocolOf } from './component.ts';
import type { Mount } from './mount.ts';
import { bytes, cores, millis } from './quantity.ts';

/** The order in which a full node evicts: the last first. `charts/setup.ts` makes a PriorityClass of each. */
export const priorities = ['data', 'ingest', 'work', 'view'] as const;
export type Priority = (typeof priorities)[number];

/** The name of a priority's PriorityClass, which is cluster-scoped. */
export const priorityClass = (namespace: string, priority: Priority): string => `${namespace}-${priority}`;

/** What a container may use. */
export interface Resources {
  /** What the scheduler reserves; the limit is four times that, and at least one core. */
  readonly cpu: Cpu;
  /** Reserved and limit alike: a node never runs out of memory that it promised. */
  readonly memory: Size;
}

/** One container; everything that Pod Security `restricted` and a calm night ask for is added by `pod`. */
export interface Container {
  readonly name: string;
  readonly image: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  /** In this order, so that `$(NAME)` finds what stands above it. */
  readonly env?: Readonly<Record<string, string | k8s.EnvVarSource>>;
  readonly ports?: Readonly<Record<string, Port>>;
  readonly mounts?: readonly Mount[];
  readonly resources: Resources;
  readonly startup?: k8s.Probe;
  readonly readiness?: k8s.Probe;
  readonly liveness?: k8s.Probe;
}

/** The pods of one workload. */
export interface PodShape {
  readonly priority: Priority;
  /** From SIGTERM to SIGKILL. */
  readonly grace: Duration;
  readonly containers: readonly Container[];
  /** The user, the group and the group of the disks. @default 10001, no user of any node */
  readonly user?: number;
  /** The group of the processes, where the image's own files are another group's than the disks. @default - the user's number */
  readonly group?: number;
}

/** An HTTP probe: every 10 s, three tries of 5 s. Spread it to change a number. */
export function http(path: string, port: string): k8s.Probe {
  return { httpGet: { path, port: k8s.IntOrString.fromString(port) }, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 3 };
}

/** A TCP probe, for liveness where every HTTP path can fail under load. */
export function tcp(port: string): k8s.Probe {
  return { tcpSocket: { port: k8s.IntOrString.fromString(port) }, periodSeconds: 20, timeoutSeconds: 5, failureThreshold: 3 };
}

/** A command probe, run by a shell. */
export function shell(script: string): k8s.Probe {
  return { exec: { command: ['sh', '-c', script] }, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 3 };
}

/** The limit that `pod` sets for a request: room to burst, never less than a core. */
export function cpuLimit(request: Cpu): number {
  return Math.max(1000, millis(request) * 4);
}

/** Go's soft memory limit at four fifths of the container's, so that the collector works before the kernel kills. */
export function goMemory(limit: Size): { readonly GOMEMLIMIT: string } {
  return { GOMEMLIMIT: `${Math.floor(limit.toMebibytes() * 0.8)}MiB` };
}

/** The pod template of `shape`; `instance` is the workload's name and `restartPolicy` what Jobs change. */
export function pod(
  component: Component,
  shape: PodShape,
  instance: string,
  restartPolicy: 'Always' | 'OnFailure' | 'Never' = 'Always',
): k8s.PodTemplateSpec {
  const user = shape.user ?? 10001;
  const mounts = shape.containers.flatMap((container) => container.mounts ?? []);
  const volumes = new Map(mounts.flatMap((mount) => (mount.volume ? [[mount.name, mount.volume]] : [])));
  const checksums = mounts.flatMap(({ name, checksum }) => (checksum ? [{ name, checksum }] : []));
  return {
    metadata: {
      labels: component.metadata(instance, instance).labels,
      ...(checksums.length > 0 && {
        annotations: Lazy.any({
          produce: () => Object.fromEntries(checksums.map(({ name, checksum }) => [`checksum/${name}`, checksum()])),
        }),
      }),
    },
    spec: {
      serviceAccountName: component.name,
      automountServiceAccountToken: false,
      // A Service named redis would set REDIS_PORT=tcp://… in every pod.
      enableServiceLinks: false,
      restartPolicy,
      priorityClassName: priorityClass(component.shared.namespace, shape.priority),
      terminationGracePeriodSeconds: shape.grace.toSeconds(),
      nodeSelector: { 'kubernetes.io/os': 'linux' },
      // Names of this platform have fewer than two dots; the rest is asked for once instead of five times.
      dnsConfig: { options: [{ name: 'ndots', value: '2' }] },
      securityContext: {
        runAsNonRoot: true,
        runAsUser: user,
        runAsGroup: shape.group ?? user,
        fsGroup: user,
        // Only a disk of another group is walked through: a large one would delay every start.
        fsGroupChangePolicy: 'OnRootMismatch',
        seccompProfile: { type: 'RuntimeDefault' },
      },
      containers: shape.containers.map((container) => render(container, component)),
      ...(volumes.size > 0 && { volumes: [...volumes].map(([name, volume]) => ({ name, ...volume })) }),
    },
  };
}

/** With the API's default written out: the API server adds it, and a second server-side applier of the same file would conflict. */
function source({ fieldRef, ...other }: k8s.EnvVarSource): k8s.EnvVarSource {
  return { ...other, ...(fieldRef && { fieldRef: { apiVersion: 'v1', ...fieldRef } }) };
}

function render(container: Container, component: Component): k8s.Container {
  const { resources, ports, env, mounts, startup, readiness, liveness } = container;
  const memory = bytes(resources.memory);
  // Its emptyDirs and 64 MiB for what it logs.
  const mebibytes = (mounts ?? []).reduce((sum, mount) => sum + (mount.ephemeralStorage ?? 0), 64);
  const ephemeralStorage = bytes(Size.mebibytes(mebibytes));
  return {
    name: container.name,
    image: container.image,
    imagePullPolicy: component.shared.pull,
    ...(container.command && { command: [...container.command] }),
    ...(container.args && { args: [...container.args] }),
    ...(env && {
      env: Object.entries(env).map(([name, value]) => (typeof value === 'string' ? { name, value } : { name, valueFrom: source(value) })),
    }),
    ...(ports && {
      ports: Object.entries(ports).map(([name, port]) => ({ name, containerPort: numberOf(port), protocol: protocolOf(port) })),
    }),
    resources: {
      requests: { cpu: cores(millis(resources.cpu)), memory, 'ephemeral-storage': ephemeralStorage },
      limits: { cpu: cores(cpuLimit(resources.cpu)), memory, 'ephemeral-storage': ephemeralStorage },
    },
    ...(startup && { startupProbe: startup }),
    ...(readiness && { readinessProbe: readiness }),
    ...(liveness && { livenessProbe: liveness }),
    ...(mounts && {
      volumeMounts: mounts.map(({ name, path, readOnly }) => ({ name, mountPath: path, ...(readOnly && { readOnly }) })),
    }),
    securityContext: {
      allowPrivilegeEscalation: false,
      privileged: false,
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      capabilities: { drop: ['ALL'] },
    },
  };
}
