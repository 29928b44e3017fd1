import { type Duration, Lazy, Size } from 'cdk8s';
import { type Cpu, k8s } from 'cdk8s-plus-27';
import { type Component, type Port, portNumber, portProtocol } from './component.ts';
import type { Mount } from './mount.ts';
import { bytes, cores, millis } from './quantity.ts';

/** From the highest to the lowest; under node pressure, the lowest is evicted first. `charts/setup.ts` creates the PriorityClasses. */
export const priorities = ['data', 'ingest', 'work', 'view'] as const;
export type Priority = (typeof priorities)[number];

/** The name of a PriorityClass; the namespace makes it unique in the cluster. */
export const priorityClass = (namespace: string, priority: Priority): string => `${namespace}-${priority}`;

/** CPU and memory of a container. */
export interface Resources {
  /** The request; the limit is four times as high, and at least one core. */
  readonly cpu: Cpu;
  /** Request and limit, which are equal so that a node is never overcommitted. */
  readonly memory: Size;
}

/** A container; `pod` adds the security context. */
export interface Container {
  readonly name: string;
  readonly image: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  /** In order: `$(NAME)` can refer only to variables above it. */
  readonly env?: Readonly<Record<string, string | k8s.EnvVarSource>>;
  readonly ports?: Readonly<Record<string, Port>>;
  readonly mounts?: readonly Mount[];
  readonly resources: Resources;
  readonly startup?: k8s.Probe;
  readonly readiness?: k8s.Probe;
  readonly liveness?: k8s.Probe;
}

/** The pods of a workload. */
export interface PodShape {
  readonly priority: Priority;
  /** Time between SIGTERM and SIGKILL. */
  readonly grace: Duration;
  readonly containers: readonly Container[];
  /** Group id of the processes, where the image's files need it. @default 10001 */
  readonly group?: number;
}

/** An HTTP probe: every 10 s, 5 s timeout, 3 failures. Spread it to change a number. */
export function http(path: string, port: string): k8s.Probe {
  return { httpGet: { path, port: k8s.IntOrString.fromString(port) }, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 3 };
}

/** A TCP probe: for liveness where HTTP may fail under load. */
export function tcp(port: string): k8s.Probe {
  return { tcpSocket: { port: k8s.IntOrString.fromString(port) }, periodSeconds: 20, timeoutSeconds: 5, failureThreshold: 3 };
}

/** A probe that runs a shell script. */
export function shell(script: string): k8s.Probe {
  return { exec: { command: ['sh', '-c', script] }, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 3 };
}

/** The CPU limit for a request, in millicores: four times the request, at least one core. */
export function cpuLimit(request: Cpu): number {
  return Math.max(1000, millis(request) * 4);
}

/** Go's soft memory limit: 80% of the container's, so that garbage collection starts before the OOM killer. */
export function goMemoryLimit(limit: Size): { readonly GOMEMLIMIT: string } {
  return { GOMEMLIMIT: `${Math.floor(limit.toMebibytes() * 0.8)}MiB` };
}

/** User id, group id and fsGroup of all pods: a number that no node uses. */
const USER = 10001;

/** The pod template of the workload `instance`. */
export function pod(
  component: Component,
  shape: PodShape,
  instance: string,
  restartPolicy: 'Always' | 'OnFailure' | 'Never' = 'Always',
): k8s.PodTemplateSpec {
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
      // A name with two dots or more is resolved as absolute first; with the default of 5, every search domain would come first.
      dnsConfig: { options: [{ name: 'ndots', value: '2' }] },
      securityContext: {
        runAsNonRoot: true,
        runAsUser: USER,
        runAsGroup: shape.group ?? USER,
        fsGroup: USER,
        // Changing the group of all files on a large disk would delay every start.
        fsGroupChangePolicy: 'OnRootMismatch',
        seccompProfile: { type: 'RuntimeDefault' },
      },
      containers: shape.containers.map((container) => render(container, component)),
      ...(volumes.size > 0 && { volumes: [...volumes].map(([name, volume]) => ({ name, ...volume })) }),
    },
  };
}

/** Adds the API server's default of a fieldRef: without it, a second server-side applier of the same file would conflict. */
function envSource({ fieldRef, ...other }: k8s.EnvVarSource): k8s.EnvVarSource {
  return { ...other, ...(fieldRef && { fieldRef: { apiVersion: 'v1', ...fieldRef } }) };
}

function render(container: Container, component: Component): k8s.Container {
  const { resources, ports, env, mounts, startup, readiness, liveness } = container;
  const memory = bytes(resources.memory);
  // The emptyDirs, and 64 MiB for logs.
  const mebibytes = (mounts ?? []).reduce((sum, mount) => sum + (mount.ephemeralStorage ?? 0), 64);
  const ephemeralStorage = bytes(Size.mebibytes(mebibytes));
  return {
    name: container.name,
    image: container.image,
    imagePullPolicy: component.shared.imagePullPolicy,
    ...(container.command && { command: [...container.command] }),
    ...(container.args && { args: [...container.args] }),
    ...(env && {
      env: Object.entries(env).map(([name, value]) =>
        typeof value === 'string' ? { name, value } : { name, valueFrom: envSource(value) },
      ),
    }),
    ...(ports && {
      ports: Object.entries(ports).map(([name, port]) => ({ name, containerPort: portNumber(port), protocol: portProtocol(port) })),
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
