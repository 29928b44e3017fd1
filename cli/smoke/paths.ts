import type { Manifest } from '../../lib/render.ts';
import { allows } from '../../rules/paths.ts';
import { Platform } from '../../rules/platform.ts';
import type { Profile } from '../profile.ts';
import { type CheckResult, resultOf } from './check-result.ts';

const NAME = 'app.kubernetes.io/name';
const INSTANCE = 'app.kubernetes.io/instance';
const ROLE = 'app.kubernetes.io/component';
/**
 * Policies select by the name alone. Workloads, budgets and autoscalers select by the instance too, Services by the role too:
 * a pod with the name, this instance and no role is subject to the policies and to nothing else.
 */
const PROBE = 'smoke-path';
/** Selects the probe pods. */
export const PROBE_PODS = `${INSTANCE}=${PROBE}`;

/** A component, with the labels of a probe pod that takes its place. */
export interface Source {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** A source that only the namespace's default policies select. */
const NOBODY: Source = { name: 'nobody', labels: { [NAME]: 'nobody', [INSTANCE]: PROBE } };

/** A TCP port of a Service. UDP is left out: a missing answer there is no refusal. */
export interface ServicePort {
  readonly service: string;
  /** The port's name. */
  readonly name: string;
  readonly port: number;
}

/** The paths from every component to every port, as the policies of the manifests allow them. */
export interface Paths {
  readonly namespace: string;
  readonly sources: readonly Source[];
  readonly ports: readonly ServicePort[];
  readonly allowed: (source: Source, port: ServicePort) => boolean;
}

/** Derives the paths from a profile's manifests. */
export function pathsOf({ objects, smoke, namespace }: Pick<Profile, 'objects' | 'smoke' | 'namespace'>): Paths {
  const platform = new Platform([...objects, ...smoke]);
  const labelsByName = new Map(platform.workloads.map(({ labels }) => [labels[NAME] ?? '', labels]));
  const components = [...labelsByName].map(([name, { [ROLE]: _, ...labels }]) => ({ name, labels: { ...labels, [INSTANCE]: PROBE } }));
  const ports = platform
    .of('Service')
    .flatMap(({ metadata, spec }) =>
      spec.ports
        .filter(({ protocol }: Manifest) => protocol !== 'UDP')
        .map(({ name, port }: { name: string; port: number }) => ({ service: metadata.name, name, port })),
    );
  const allowed = (source: Source, { service, name }: ServicePort) => {
    const { selector, ports } = platform.find('Service', service)?.spec ?? {};
    const target = ports.find((each: { name: string }) => each.name === name).targetPort;
    return platform.selected(selector).every((server) => {
      const found = server.pod.containers.flatMap(({ ports = [] }) => ports).find((each) => each.name === target);
      const port = { port: found?.containerPort ?? 0, protocol: 'TCP' };
      return allows(platform, source, 'egress', server, port) && allows(platform, server, 'ingress', source, port);
    });
  };
  return { namespace, sources: [...components, NOBODY], ports, allowed };
}

/** The indexes of the ports that a probe pod reached, or the reason why it has no result. */
export type ProbeResult = readonly number[] | string;

/** Names of policies that exist in only one of manifests and cluster. */
export interface PolicyDifferences {
  readonly missing: readonly string[];
  readonly foreign: readonly string[];
}

/** Turns the results of all probe pods, by source, into three checks. */
export function evaluate(
  { namespace, sources, ports, allowed }: Paths,
  results: ReadonlyMap<string, ProbeResult>,
  { missing, foreign }: PolicyDifferences,
  seconds: number,
): readonly CheckResult[] {
  const reached = ({ name }: Source): ReadonlySet<number> => {
    const result = results.get(name);
    return new Set(typeof result === 'object' ? result : []);
  };
  const withoutResult = (asked: readonly Source[]) =>
    asked.flatMap(({ name }) => {
      const result = results.get(name) ?? 'it did not end in time';
      return typeof result === 'string' ? [`no result from pod ${podName(name)}: ${result}`] : [];
    });
  const components = sources.filter(({ name }) => name !== NOBODY.name);
  const tried = components.flatMap((source) =>
    ports.map((port, index) => ({
      path: `${source.name} → ${port.service} ${port.port}`,
      allowed: allowed(source, port),
      open: reached(source).has(index),
    })),
  );
  const pathsWhere = (wanted: { readonly allowed: boolean; readonly open: boolean }) =>
    tried.filter((each) => each.allowed === wanted.allowed && each.open === wanted.open).map(({ path }) => path);
  const count = (wanted: boolean) => tried.filter((each) => each.allowed === wanted).length;
  const unguarded = ports.filter((_, index) => reached(NOBODY).has(index)).map(({ service, port }) => `${service} ${port}`);

  const command = `kubectl --namespace ${namespace} get networkpolicies`;
  const check = (name: string, problems: readonly string[], success: string) => resultOf(name, seconds, problems, success, command);
  const refusals = [
    check(
      'every other path is blocked',
      [...firstOf(pathsWhere({ allowed: false, open: true }), 'open:'), ...withoutResult(components)],
      `${count(false)} paths`,
    ),
    check(
      'a pod without a policy of its own reaches nothing',
      [
        ...firstOf(missing, 'not in the cluster: the NetworkPolicy'),
        ...firstOf(unguarded, 'it reaches'),
        ...(unguarded.length > 0 ? firstOf(foreign, 'not in the manifests: the NetworkPolicy') : []),
        ...withoutResult([NOBODY]),
      ],
      `${ports.length} ports`,
    ),
  ];
  const answering = new Set(components.flatMap((source) => [...reached(source)]));
  const enforced =
    missing.length + foreign.length > 0 || answering.size === 0 || [...answering].some((index) => !reached(NOBODY).has(index));
  const detail = `this cluster does not enforce NetworkPolicies: a pod without any allowed egress reaches all ${answering.size} open ports`;
  return [
    check(
      'every path that the policies allow is open',
      [...firstOf(pathsWhere({ allowed: true, open: false }), 'no connection:'), ...withoutResult(components)],
      `${count(true)} paths`,
    ),
    ...(enforced ? refusals : refusals.map((each): CheckResult => ({ ...each, state: 'skipped', detail }))),
  ];
}

/** The name of a source's probe pod. */
export const podName = (source: string): string => `smoke-from-${source}`;

/** A list in a sentence, cut after eight. */
function firstOf(list: readonly string[], prefix: string): readonly string[] {
  if (list.length === 0) return [];
  return [`${prefix} ${list.slice(0, 8).join(', ')}${list.length > 8 ? ` and ${list.length - 8} more` : ''}`];
}
