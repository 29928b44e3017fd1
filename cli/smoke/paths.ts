import { amountOf } from '../../lib/quantity.ts';
import { type Manifest, podOf } from '../../lib/render.ts';
import { allows } from '../../rules/paths.ts';
import { Platform } from '../../rules/platform.ts';
import type { Profile } from '../profile.ts';
import type { CheckResult } from './check-result.ts';
import script from './paths.py';

const NAME = 'app.kubernetes.io/name';
const INSTANCE = 'app.kubernetes.io/instance';
const ROLE = 'app.kubernetes.io/component';
/**
 * Policies select by the name alone. Workloads, budgets and autoscalers select by the instance too, Services by the role too:
 * a pod with the name, this instance and no role is subject to the policies and to nothing else.
 */
const OURS = 'smoke-path';
/** Selects the pods that ask. */
export const CALLERS = `${INSTANCE}=${OURS}`;

/** Whom a pod pretends to be. */
interface Caller {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** A TCP port of a Service. UDP is left out: silence there is no refusal. */
export interface ServicePort {
  readonly service: string;
  /** The port's name. */
  readonly name: string;
  readonly port: number;
}

/** Who may reach which port of a Service, as the policies of the manifests have it. */
export interface Graph {
  readonly namespace: string;
  readonly callers: readonly Caller[];
  readonly servicePorts: readonly ServicePort[];
  readonly edge: (caller: Caller, servicePort: ServicePort) => boolean;
}

/** Whom no policy knows but the namespace's own. */
const NOBODY = 'nobody';
const nobody: Caller = { name: NOBODY, labels: { [NAME]: NOBODY, [INSTANCE]: OURS } };

const podName = (caller: string): string => `smoke-from-${caller}`;

/** Reads the graph off the manifests. */
export function graphOf({ objects, smoke, namespace }: Pick<Profile, 'objects' | 'smoke' | 'namespace'>): Graph {
  const platform = new Platform([...objects, ...smoke]);
  const known = new Map(platform.workloads.map(({ labels }) => [labels[NAME] ?? '', labels]));
  const callers = [...known].map(([name, { [ROLE]: _, ...labels }]) => ({ name, labels: { ...labels, [INSTANCE]: OURS } }));
  const servicePorts = platform
    .of('Service')
    .flatMap(({ metadata, spec }) =>
      spec.ports
        .filter(({ protocol }: Manifest) => protocol !== 'UDP')
        .map(({ name, port }: { name: string; port: number }) => ({ service: metadata.name, name, port })),
    );
  const edge = (caller: Caller, servicePort: ServicePort) => {
    const { selector, ports } = platform.find('Service', servicePort.service)?.spec ?? {};
    const target = ports.find(({ name }: { name: string }) => name === servicePort.name).targetPort;
    return platform.selected(selector).every((host) => {
      const port = host.pod.containers.flatMap(({ ports = [] }) => ports).find(({ name }) => name === target)?.containerPort ?? 0;
      const way = { port, protocol: 'TCP' };
      return allows(platform, caller, 'egress', host, way) && allows(platform, host, 'ingress', caller, way);
    });
  };
  return { namespace, callers: [...callers, nobody], servicePorts, edge };
}

/** The addresses of a Service port, by the cluster's Services and EndpointSlices. */
export function addresses(servicePort: ServicePort, there: readonly Manifest[]): readonly (readonly [string, number])[] {
  const service = there.find(({ kind, metadata }) => kind === 'Service' && metadata.name === servicePort.service);
  const { clusterIP } = service?.spec ?? {};
  if (clusterIP && clusterIP !== 'None') return [[clusterIP, servicePort.port]];
  const slices = there.filter(
    ({ kind, metadata, ...slice }) =>
      kind === 'EndpointSlice' && metadata.labels?.['kubernetes.io/service-name'] === servicePort.service && slice.addressType !== 'FQDN',
  );
  return slices.flatMap(({ endpoints, ports }) => {
    const port = ports?.find(({ name }: { name: string }) => name === servicePort.name)?.port;
    const ready = (endpoints ?? []).filter(({ conditions }: Manifest) => conditions?.ready !== false);
    return port ? ready.map((endpoint: Manifest) => [endpoint.addresses[0], port] as const) : [];
  });
}

const RESOURCES = { cpu: '5m', memory: '32Mi', 'ephemeral-storage': '16Mi' };

/** The pod that tries every port with another component's name, hardened like the smoke Job's own pod. */
export function podFor(
  caller: Caller,
  { namespace, servicePorts, edge }: Graph,
  smoke: readonly Manifest[],
  there: readonly Manifest[],
): Manifest {
  const job = smoke.find((manifest) => podOf(manifest));
  const { volumes: _, ...spec } = job?.spec.template.spec ?? {};
  const { image, imagePullPolicy, securityContext } = spec.containers[0];
  const asked = servicePorts.map((servicePort) => ({ at: addresses(servicePort, there), open: edge(caller, servicePort) }));
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: podName(caller.name), namespace, labels: caller.labels },
    spec: {
      ...spec,
      restartPolicy: 'Never',
      activeDeadlineSeconds: 60,
      terminationGracePeriodSeconds: 1,
      containers: [
        {
          name: 'caller',
          image,
          imagePullPolicy,
          command: ['python3', '-I', '-B', '-c', script],
          env: [{ name: 'SERVICE_PORTS', value: JSON.stringify(asked) }],
          resources: { requests: RESOURCES, limits: { ...RESOURCES, cpu: '1' } },
          securityContext,
        },
      ],
    },
  };
}

/** How many of these pods the namespace's quotas have room for at a time, beside the Job. */
export function room(quotas: readonly Manifest[], job: Manifest): number {
  const requests = podOf(job)?.containers[0]?.resources.requests ?? {};
  const left = quotas.flatMap(({ status }) =>
    (['cpu', 'memory'] as const).flatMap((resource) => {
      const name = `requests.${resource}`;
      const [hard, used] = [status?.hard?.[name], status?.used?.[name]];
      if (hard === undefined) return [];
      return Math.floor((amountOf(hard) - amountOf(used) - amountOf(requests[resource])) / amountOf(RESOURCES[resource]));
    }),
  );
  return Math.max(0, Math.min(...left, Number.POSITIVE_INFINITY));
}

/** What a pod said, or why it said nothing. */
export type ProbeResult = readonly number[] | string;

/** The answer of a pod that has ended. @default undefined - it has not */
export function probeResultOf(pod: Manifest): ProbeResult | undefined {
  const { phase, message, containerStatuses } = pod.status ?? {};
  if (phase !== 'Succeeded' && phase !== 'Failed') return undefined;
  const ended = containerStatuses?.[0]?.state?.terminated;
  try {
    return JSON.parse(ended?.message ?? '');
  } catch {
    return message ?? ended?.reason ?? 'it ended without a word';
  }
}

/** How the policies of the cluster differ from those of the manifests, by name. */
export interface Differences {
  readonly missing: readonly string[];
  readonly foreign: readonly string[];
}

/** Three checks of what all pods said. */
export function judge(
  graph: Graph,
  answers: ReadonlyMap<string, ProbeResult>,
  { missing, foreign }: Differences,
  seconds: number,
): readonly CheckResult[] {
  const { callers, servicePorts, edge } = graph;
  const others = callers.filter(({ name }) => name !== NOBODY);
  const reached = (caller: string): ReadonlySet<number> => {
    const answer = answers.get(caller);
    return new Set(typeof answer === 'object' ? answer : []);
  };
  const mute = (asked: readonly Caller[]) =>
    asked
      .map(({ name }) => ({ name, answer: answers.get(name) }))
      .filter(({ answer }) => typeof answer !== 'object')
      .map(({ name, answer }) => `the pod ${podName(name)} did not say: ${answer ?? 'it has not ended'}`);
  const pairs = others.flatMap((caller) =>
    servicePorts.map((servicePort, number) => ({
      words: `${caller.name} → ${servicePort.service} ${servicePort.port}`,
      edge: edge(caller, servicePort),
      open: reached(caller.name).has(number),
    })),
  );
  const edges = pairs.filter((pair) => pair.edge);
  const refusals = pairs.filter((pair) => !pair.edge);
  const answering = new Set(others.flatMap(({ name }) => [...reached(name)]));
  const unguarded = servicePorts.filter((_, number) => reached(NOBODY).has(number)).map(({ service, port }) => `${service} ${port}`);

  const check = (name: string, wrong: readonly string[], well: string): CheckResult => ({
    name,
    state: wrong.length > 0 ? 'failed' : 'ok',
    seconds,
    saw: wrong.length > 0 ? wrong.join('; ') : well,
    more: `kubectl --namespace ${graph.namespace} get networkpolicies`,
    standins: [],
  });
  const closed = [
    check(
      'a pod without a policy of its own reaches nothing',
      [
        ...some(missing, 'not in the cluster: the NetworkPolicy'),
        ...some(unguarded, 'it reaches'),
        ...(unguarded.length > 0 ? some(foreign, 'not in the manifests: the NetworkPolicy') : []),
        ...mute([nobody]),
      ],
      `${servicePorts.length} ports`,
    ),
    check(
      'what is no edge of the graph is refused',
      [...some(words(refusals.filter(({ open }) => open)), 'open:'), ...mute(others)],
      `${refusals.length} pairs`,
    ),
  ];
  const enforced =
    missing.length + foreign.length > 0 || answering.size === 0 || [...answering].some((number) => !reached(NOBODY).has(number));
  const saw = `this cluster does not enforce NetworkPolicies: a pod that no policy lets out reaches all ${answering.size} ports that answer`;
  return [
    ...(enforced ? closed : closed.map((each): CheckResult => ({ ...each, state: 'unanswerable', saw }))),
    check(
      'every edge of the graph works',
      [...some(words(edges.filter(({ open }) => !open)), 'no connection:'), ...mute(others)],
      `${edges.length} edges`,
    ),
  ];
}

const words = (pairs: readonly { readonly words: string }[]): readonly string[] => pairs.map((pair) => pair.words);

/** The first few of a list. */
function some(list: readonly string[], words: string): readonly string[] {
  if (list.length === 0) return [];
  return [`${words} ${list.slice(0, 8).join(', ')}${list.length > 8 ? ` and ${list.length - 8} more` : ''}`];
}
