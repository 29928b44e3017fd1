import { setTimeout as pause } from 'node:timers/promises';
import { snapshot, workloadsOf } from '../cli/cluster.ts';
import { diagnose } from '../cli/diagnose.ts';
import type { Manifest } from '../lib/render.ts';
import { type Cluster, eventually, run, watch } from './cluster.ts';
import type { Step } from './step.ts';

/** Of the profile `prod`, on nodes that only pretend to run pods: what the API server and the scheduler make of it. */
export const prod: readonly Step[] = [
  {
    name: 'prod on three nodes in three zones: accepted without a warning, every pod scheduled, every claim bound, quota held',
    async run(cluster) {
      await cluster.applyFiles();
      await settled(cluster);
      const claims = await cluster.kubectl.objects(['get', 'persistentvolumeclaims']);
      await eventually(
        async () => (await cluster.kubectl.objects(['get', 'persistentvolumeclaims'])).every(({ status }) => status.phase === 'Bound'),
        60,
        'every claim is bound',
      );
      const [quota] = await cluster.kubectl.objects(['get', 'resourcequota', 'quota']);
      const used = Object.entries<string>(quota?.status.used ?? {}).map(([name, amount]) => `${name} ${amount}`);
      return `${(await cluster.pods()).length} pods, ${claims.length} claims; quota used: ${used.join(', ')}`;
    },
  },
  {
    name: 'prod is spread: Consul on three nodes, every other replicated workload on at least two',
    async run(cluster) {
      const places = new Map<string, Set<string>>();
      for (const { metadata, spec } of await cluster.pods()) {
        const instance = metadata.labels?.['app.kubernetes.io/instance'] ?? '';
        places.set(instance, (places.get(instance) ?? new Set()).add(spec.nodeName));
      }
      for (const { metadata } of replicated(cluster)) {
        const least = metadata.name === 'consul' ? 3 : 2;
        const nodes = places.get(metadata.name)?.size ?? 0;
        if (nodes < least) throw new Error(`${metadata.name} is on ${nodes} nodes`);
      }
      return replicated(cluster)
        .map(({ metadata }) => `${metadata.name} on ${places.get(metadata.name)?.size}`)
        .join(', ');
    },
  },
  {
    name: 'prod, each node drained in turn: Consul keeps its quorum, and no replicated workload its last pod lost',
    async run(cluster) {
      const nodes = (await cluster.kubectl.objects(['get', 'nodes'])).map(({ metadata }) => metadata.name);
      for (const node of nodes) {
        const watching = watch(() => ready(cluster));
        const args = ['drain', node, '--ignore-daemonsets', '--delete-emptydir-data', '--timeout=120s'];
        const drain = await run('kubectl', ['--context', cluster.kubectl.context, ...args]);
        await pause(2000);
        const seen = await watching.end();
        await cluster.kubectl.run(['uncordon', node]);
        if (drain.status !== 0) throw new Error(`${node} is not drained: ${drain.said.trim().split('\n').at(-1)}`);
        for (const { metadata } of replicated(cluster)) {
          const fewest = Math.min(...seen.map((numbers) => numbers.get(metadata.name) ?? 0));
          if (fewest < (metadata.name === 'consul' ? 2 : 1))
            throw new Error(`${fewest} pods of ${metadata.name} were ready while ${node} was drained`);
        }
        await settled(cluster);
      }
      return `${nodes.length} nodes drained`;
    },
  },
];

/** How many pods a workload starts with: where an autoscaler decides, its least number, which takes it some seconds. */
function numberOf({ metadata, spec }: Manifest, { profile }: Cluster): number {
  const scalers = profile.objects.filter(({ kind }) => kind === 'HorizontalPodAutoscaler');
  return spec.replicas ?? scalers.find((each) => each.spec.scaleTargetRef.name === metadata.name)?.spec.minReplicas ?? 1;
}

const replicated = (cluster: Cluster): readonly Manifest[] =>
  workloadsOf(cluster.profile).filter((workload) => numberOf(workload, cluster) > 1);

async function settled(cluster: Cluster): Promise<void> {
  await eventually(
    async () => {
      const [objects, numbers] = await Promise.all([snapshot(cluster.kubectl), ready(cluster)]);
      return workloadsOf(cluster.profile).every(
        (workload) =>
          diagnose(workload, { objects }, 'prod').state === 'ready' &&
          (workload.kind === 'Job' || (numbers.get(workload.metadata.name) ?? 0) >= numberOf(workload, cluster)),
      );
    },
    180,
    'every workload is ready',
  );
}

/** How many pods of each instance are ready and stay. */
async function ready({ kubectl }: Cluster): Promise<ReadonlyMap<string, number>> {
  const numbers = new Map<string, number>();
  for (const { metadata, status } of await kubectl.objects(['get', 'pods'])) {
    const instance = metadata.labels?.['app.kubernetes.io/instance'] ?? '';
    const is = status.conditions?.some((each: { type: string; status: string }) => each.type === 'Ready' && each.status === 'True');
    if (is && !('deletionTimestamp' in metadata)) numbers.set(instance, (numbers.get(instance) ?? 0) + 1);
  }
  return numbers;
}
