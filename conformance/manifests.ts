import { type ContainerManifest, type Manifest, type PodManifest, podOf } from '../lib/render.ts';

export type Manifests = readonly Manifest[];

/** Changes the manifests in place. */
export type Edit = (manifests: Manifests) => void;

/** How a kubelet probes a container. */
export type ProbeKind = 'startup' | 'readiness' | 'liveness';

/** The object of that kind and name. */
export function find(manifests: Manifests, kind: string, name: string): Manifest {
  return found(
    manifests.find((each) => each.kind === kind && each.metadata.name === name),
    `the manifests have no ${kind} ${name}`,
  );
}

/** The workload of that name; the name of a Job ends in a hash, which is left out. */
export function workload(manifests: Manifests, name: string): Manifest {
  const named = (each: Manifest) => (each.kind === 'Job' ? each.metadata.name.replace(/-[0-9a-f]{8}$/, '') : each.metadata.name) === name;
  return found(
    manifests.find((each) => podOf(each) && named(each)),
    `the manifests have no workload ${name}`,
  );
}

/** A container of a workload: the named one, or the first. */
export function container(manifests: Manifests, workloadName: string, name?: string): ContainerManifest {
  return containerOf(podOf(workload(manifests, workloadName)), name, workloadName);
}

/** A container of a pod: the named one, or the first. */
export function containerOf(pod: PodManifest | undefined, name: string | undefined, owner: string): ContainerManifest {
  return found(
    name === undefined ? pod?.containers[0] : pod?.containers.find((each) => each.name === name),
    `${owner} has no container ${name}`,
  );
}

/** The number of a Service's named port. */
export function servicePort(manifests: Manifests, service: string, port: string): number {
  const ports: readonly { readonly name: string; readonly port: number }[] = find(manifests, 'Service', service).spec.ports;
  return found(
    ports.find(({ name }) => name === port),
    `the Service ${service} has no port ${port}`,
  ).port;
}

/** A file of a ConfigMap. */
export function fileOf(manifests: Manifests, configMap: string, file: string): string {
  return found<string>(find(manifests, 'ConfigMap', configMap).data[file], `the ConfigMap ${configMap} has no file ${file}`);
}

/** Replaces text in a file of a ConfigMap. Throws when the text is not there. */
export function editFile(configMap: string, file: string, from: string | RegExp, to: string): Edit {
  return (manifests) => {
    const text = fileOf(manifests, configMap, file);
    const changed = text.replace(from, to);
    if (changed === text) throw new Error(`${configMap}/${file} does not contain ${from}`);
    find(manifests, 'ConfigMap', configMap).data[file] = changed;
  };
}

/** Changes fields of a workload's container: the named one, or the first. */
export function editContainer(
  workloadName: string,
  change: (container: ContainerManifest) => Partial<ContainerManifest>,
  name?: string,
): Edit {
  return (manifests) => {
    const each = container(manifests, workloadName, name);
    const before = JSON.stringify(each);
    Object.assign(each, change(each));
    if (JSON.stringify(each) === before) throw new Error(`the edit does not change the container ${each.name} of ${workloadName}`);
  };
}

/** Removes an environment variable. */
export const removeEnv = (workloadName: string, variable: string, name?: string): Edit =>
  editContainer(workloadName, ({ env = [] }) => ({ env: env.filter((each) => each.name !== variable) }), name);

/** Replaces text in the arguments. */
export const editArgs = (workloadName: string, from: string, to: string): Edit =>
  editContainer(workloadName, ({ args = [] }) => ({ args: args.map((each) => each.replace(from, to)) }));

/** Removes the volume mounted at a path. */
export const removeMount = (workloadName: string, path: string): Edit =>
  editContainer(workloadName, ({ volumeMounts = [] }) => ({ volumeMounts: volumeMounts.filter(({ mountPath }) => mountPath !== path) }));

/** Changes a probe; a new handler (`exec`, `httpGet`, `tcpSocket`) replaces the old one. */
export function editProbe(workloadName: string, kind: ProbeKind, change: NonNullable<ContainerManifest[`${string}Probe`]>): Edit {
  return editContainer(workloadName, (each) => {
    const { exec, httpGet, tcpSocket, ...timing } = each[`${kind}Probe`] ?? {};
    const handler = change.exec || change.httpGet || change.tcpSocket ? {} : { exec, httpGet, tcpSocket };
    return { [`${kind}Probe`]: { ...timing, ...handler, ...change } };
  });
}

/** Replaces a probe by a shell command. */
export const execProbe = (workloadName: string, kind: ProbeKind, script: string): Edit =>
  editProbe(workloadName, kind, { exec: { command: ['sh', '-c', script] } });

/** Makes a shell that does not forward signals process 1, by a new command, and shortens the grace period to 5 s. */
export function withoutSignals(workloadName: string, command: (old: readonly string[]) => readonly string[]): Edit {
  return (manifests) => {
    Object.assign(workload(manifests, workloadName).spec.template.spec, { terminationGracePeriodSeconds: 5 });
    editContainer(workloadName, (old) => ({ command: command(old.command ?? []) }))(manifests);
  };
}

/** The same for a container without a command, whose entrypoint is the program. */
export const wrapInShell = (workloadName: string, program: string): Edit =>
  withoutSignals(workloadName, () => ['sh', '-c', `${program} "$@"; true`, 'sh']);

/** Applies several edits. */
export const edits =
  (...all: readonly Edit[]): Edit =>
  (manifests) => {
    for (const edit of all) edit(manifests);
  };

function found<T>(value: T | undefined, otherwise: string): T {
  if (value === undefined) throw new Error(otherwise);
  return value;
}
