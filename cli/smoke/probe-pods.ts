import { setTimeout as pause } from 'node:timers/promises';
import { amountOf } from '../../lib/quantity.ts';
import { type Manifest, podOf } from '../../lib/render.ts';
import { apply } from '../cluster.ts';
import type { CheckResult } from './check-result.ts';
import { jobOf, type SmokeRun } from './job.ts';
import { evaluate, type Paths, PROBE_PODS, type ProbeResult, pathsOf, podName, type ServicePort, type Source } from './paths.ts';
import script from './probe.py';

/** Seconds that the probe pods get from their creation to their end. */
const TIMEOUT = 50;
const RESOURCES = { cpu: '5m', memory: '32Mi', 'ephemeral-storage': '16Mi' };

/** Tries every path of the platform from a pod in each component's place. */
export async function checkPaths({ kubectl, profile, signal }: SmokeRun): Promise<readonly CheckResult[]> {
  const started = performance.now();
  const paths = pathsOf(profile);
  const [network, quotas, policies] = await Promise.all([
    kubectl.objects(['get', 'services,endpointslices']),
    kubectl.objects(['get', 'resourcequotas']),
    kubectl.objects(['get', 'networkpolicies']),
  ]);
  const results = new Map<string, ProbeResult>();
  const size = capacity(quotas, jobOf(profile.smoke));
  const waiting = [...paths.sources];
  if (size === 0) for (const { name } of waiting.splice(0)) results.set(name, "the namespace's quota has no room for it");
  while (waiting.length > 0 && !signal.aborted) {
    const batch = waiting.splice(0, size);
    await apply(
      kubectl,
      batch.map((source) => probePod(source, paths, profile.smoke, network)),
    );
    for (const end = performance.now() + TIMEOUT * 1000; performance.now() < end && !signal.aborted; await pause(500)) {
      const pods = await kubectl.objects(['get', 'pods', `--selector=${PROBE_PODS}`]);
      for (const { name } of batch) {
        const pod = pods.find(({ metadata }) => metadata.name === podName(name));
        const result = pod && probeResult(pod);
        if (result !== undefined) results.set(name, result);
      }
      if (batch.every(({ name }) => results.has(name))) break;
    }
    if (waiting.length > 0) await kubectl.run(['delete', 'pods', `--selector=${PROBE_PODS}`, '--timeout=30s'], { seconds: 40 });
  }
  const inCluster = policies.map(({ metadata }) => metadata.name);
  const inManifests = [...profile.objects, ...profile.smoke]
    .filter(({ kind }) => kind === 'NetworkPolicy')
    .map(({ metadata }) => metadata.name);
  const differences = {
    missing: inManifests.filter((name) => !inCluster.includes(name)),
    foreign: inCluster.filter((name) => !inManifests.includes(name)),
  };
  return evaluate(paths, results, differences, (performance.now() - started) / 1000);
}

/** The addresses behind a Service port, from the cluster's Services and EndpointSlices. */
export function addresses({ service, name, port }: ServicePort, network: readonly Manifest[]): readonly (readonly [string, number])[] {
  const { clusterIP } = network.find(({ kind, metadata }) => kind === 'Service' && metadata.name === service)?.spec ?? {};
  if (clusterIP && clusterIP !== 'None') return [[clusterIP, port]];
  const slices = network.filter(
    ({ kind, metadata, addressType }) =>
      kind === 'EndpointSlice' && metadata.labels?.['kubernetes.io/service-name'] === service && addressType !== 'FQDN',
  );
  return slices.flatMap(({ endpoints, ports }) => {
    const number = ports?.find((each: { name: string }) => each.name === name)?.port;
    const ready = (endpoints ?? []).filter(({ conditions }: Manifest) => conditions?.ready !== false);
    return number ? ready.map((endpoint: Manifest) => [endpoint.addresses[0], number] as const) : [];
  });
}

/** A pod that tries every port from a component's place, hardened like the smoke Job's own pod. */
export function probePod(
  source: Source,
  { namespace, ports, allowed }: Paths,
  smoke: readonly Manifest[],
  network: readonly Manifest[],
): Manifest {
  const { volumes: _, ...spec } = jobOf(smoke).spec.template.spec;
  const { image, imagePullPolicy, securityContext } = spec.containers[0];
  const targets = ports.map((port) => ({ addresses: addresses(port, network), allowed: allowed(source, port) }));
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: podName(source.name), namespace, labels: source.labels },
    spec: {
      ...spec,
      restartPolicy: 'Never',
      activeDeadlineSeconds: TIMEOUT + 10,
      terminationGracePeriodSeconds: 1,
      containers: [
        {
          name: 'probe',
          image,
          imagePullPolicy,
          command: ['python3', '-I', '-B', '-c', script],
          env: [{ name: 'PORTS', value: JSON.stringify(targets) }],
          resources: { requests: RESOURCES, limits: { ...RESOURCES, cpu: '1' } },
          securityContext,
        },
      ],
    },
  };
}

/** How many probe pods fit into the namespace's quotas at a time, beside the Job. */
export function capacity(quotas: readonly Manifest[], job: Manifest): number {
  const requests = podOf(job)?.containers[0]?.resources.requests ?? {};
  const limits = quotas.flatMap(({ status }) =>
    (['cpu', 'memory'] as const).flatMap((resource) => {
      const name = `requests.${resource}`;
      const [hard, used] = [status?.hard?.[name], status?.used?.[name]];
      if (hard === undefined) return [];
      return Math.floor((amountOf(hard) - amountOf(used) - amountOf(requests[resource])) / amountOf(RESOURCES[resource]));
    }),
  );
  return Math.max(0, Math.min(...limits, Number.POSITIVE_INFINITY));
}

/** @returns the result of a probe pod that has ended */
export function probeResult(pod: Manifest): ProbeResult | undefined {
  const { phase, message, containerStatuses } = pod.status ?? {};
  if (phase !== 'Succeeded' && phase !== 'Failed') return undefined;
  const ended = containerStatuses?.[0]?.state?.terminated;
  try {
    return JSON.parse(ended?.message ?? '');
  } catch {
    return message ?? ended?.reason ?? 'it wrote no result';
  }
}
