import { setTimeout as pause } from 'node:timers/promises';
import { snapshot, workloadsOf } from '../cli/cluster.ts';
import { diagnose } from '../cli/diagnose.ts';
import type { Manifest } from '../lib/render.ts';
import { type Cluster, eventually, INSTANCE, sampleDuring } from './cluster.ts';
import type { Proof } from './proof.ts';

/** The profile `prod` on an API server and a scheduler, with simulated nodes that run no pods. */
export const prod: readonly Proof[] = [
  {
    name: 'prod on three nodes in three zones: no server warning, every pod scheduled, every claim bound, quota not exceeded',
    async run(cluster) {
      await cluster.applyFiles();
      await waitScheduled(cluster);
      const claims = () => cluster.kubectl.objects(['get', 'persistentvolumeclaims']);
      await eventually(async () => (await claims()).every(({ status }) => status.phase === 'Bound'), 60, 'every claim is bound');
      const [quota] = await cluster.kubectl.objects(['get', 'resourcequota', 'quota']);
      const used = Object.entries<string>(quota?.status.used ?? {}).map(([name, amount]) => `${name} ${amount}`);
      return `${(await cluster.pods()).length} pods, ${(await claims()).length} claims; quota used: ${used.join(', ')}`;
    },
  },
  {
    name: 'prod is spread: Consul over three nodes, every other replicated workload over at least two',
    async run(cluster) {
      const pods = await cluster.pods();
      const spread = replicated(cluster).map(({ metadata: { name } }) => ({
        name,
        nodes: new Set(pods.flatMap(({ metadata, spec }) => (metadata.labels?.[INSTANCE] === name ? [spec.nodeName] : []))).size,
      }));
      for (const { name, nodes } of spread) if (nodes < (name === 'consul' ? 3 : 2)) throw new Error(`${name} is on ${nodes} nodes`);
      return spread.map(({ name, nodes }) => `${name} on ${nodes}`).join(', ');
    },
  },
  {
    name: 'prod, each node drained in turn: Consul keeps its quorum, and every replicated workload a ready pod',
    async run(cluster) {
      const nodes = (await cluster.kubectl.objects(['get', 'nodes'])).map(({ metadata }) => metadata.name);
      for (const node of nodes) {
        const samples = await sampleDuring(
          () => readyPods(cluster),
          () => drain(cluster, node),
        );
        for (const { metadata } of replicated(cluster)) {
          const fewest = Math.min(...samples.map((numbers) => numbers.get(metadata.name) ?? 0));
          if (fewest < (metadata.name === 'consul' ? 2 : 1))
            throw new Error(`${fewest} pods of ${metadata.name} were ready while ${node} was drained`);
        }
        await waitScheduled(cluster);
      }
      return `${nodes.length} nodes drained`;
    },
  },
];

async function drain({ kubectl }: Cluster, node: string): Promise<void> {
  try {
    await kubectl.run(['drain', node, '--ignore-daemonsets', '--delete-emptydir-data', '--timeout=120s'], { seconds: 130 });
    await pause(2000);
  } finally {
    await kubectl.run(['uncordon', node]);
  }
}

/** The number of pods that a workload starts with. An autoscaler needs some seconds to raise it from 1 to its minimum. */
function replicasOf({ metadata, spec }: Manifest, { profile }: Cluster): number {
  const scalers = profile.objects.filter(({ kind }) => kind === 'HorizontalPodAutoscaler');
  return spec.replicas ?? scalers.find((each) => each.spec.scaleTargetRef.name === metadata.name)?.spec.minReplicas ?? 1;
}

const replicated = (cluster: Cluster): readonly Manifest[] =>
  workloadsOf(cluster.profile).filter((workload) => replicasOf(workload, cluster) > 1);

async function waitScheduled(cluster: Cluster): Promise<void> {
  const isReady = async () => {
    const [objects, pods] = await Promise.all([snapshot(cluster.kubectl), readyPods(cluster)]);
    return workloadsOf(cluster.profile).every(
      (workload) =>
        diagnose(workload, { objects }, 'prod').state === 'ready' &&
        (workload.kind === 'Job' || (pods.get(workload.metadata.name) ?? 0) >= replicasOf(workload, cluster)),
    );
  };
  await eventually(isReady, 180, 'every workload is ready');
}

/** The number of each workload's pods that are ready and not being deleted. */
async function readyPods({ kubectl }: Cluster): Promise<ReadonlyMap<string, number>> {
  const numbers = new Map<string, number>();
  for (const { metadata, status } of await kubectl.objects(['get', 'pods'])) {
    const instance = metadata.labels?.[INSTANCE] ?? '';
    const ready = status.conditions?.some((each: { type: string; status: string }) => each.type === 'Ready' && each.status === 'True');
    if (ready && !('deletionTimestamp' in metadata)) numbers.set(instance, (numbers.get(instance) ?? 0) + 1);
  }
  return numbers;
}
