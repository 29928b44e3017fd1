import { isConflict } from '../cli/snapshot.ts';
import type { Manifest } from '../lib/render.ts';
import type { Cluster } from './cluster.ts';
import type { Step } from './step.ts';

/**
 * Reasons of warnings that every start has: a probe that is not answered yet, a pod before its disk, what controllers retry, and a
 * Service whose address the API server's repair loop does not find in its cache yet.
 */
const USUAL = [
  'Unhealthy',
  'FailedToUpdateEndpoint',
  'FailedToUpdateEndpointSlices',
  'FailedToCreateEndpoint',
  'FailedScheduling',
  'ClusterIPNotAllocated',
];

/** A kubelet that has not yet been sent a new ConfigMap or Secret mounts it at its next try. */
const isUnsynced = ({ reason, message }: Manifest) => reason === 'FailedMount' && /failed to sync (configmap|secret) cache/.test(message);

/** What `up --json` says of a workload: after how many seconds it was ready. */
export interface Start {
  readonly name: string;
  readonly seconds: number;
}

/** From nothing to all ready. `told` is given how long each workload took. */
export const fresh = (told: (starts: readonly Start[]) => void): Step => ({
  name: 'up from nothing, without a warning of the server, and a second up without a change',
  async run(cluster) {
    const first = await cluster.must('up', ['--json']);
    const answer = first.said.split('\n').find((line) => line.startsWith('{')) ?? '';
    if (first.said.trim() !== answer) throw new Error(`the server warned: ${first.said}`);
    told(JSON.parse(answer).workloads);
    if (first.seconds > 90) throw new Error(`it took ${first.seconds.toFixed(0)} s, and 90 are promised`);
    const second = await cluster.must('up');
    if (!second.said.includes('0 changes')) throw new Error(`the second up changed something: ${second.said}`);
    return `all ready after ${first.seconds.toFixed(0)} s, the second up ${second.seconds.toFixed(1)} s`;
  },
});

/** What the cluster tells at the end. */
export const calm: Step = {
  name: 'no container has restarted, and no event tells of an error',
  async run(cluster) {
    await assertCalm(cluster);
    return 'as it should be';
  },
};

async function assertCalm(cluster: Cluster): Promise<void> {
  const [pods, events] = await Promise.all([
    cluster.kubectl.objects(['get', 'pods']),
    cluster.kubectl.objects(['get', 'events', '--field-selector=type=Warning']),
  ]);
  const restarted = await Promise.all(
    pods.flatMap(({ metadata, status }) =>
      (status.containerStatuses ?? [])
        .filter(({ restartCount }: { restartCount: number }) => restartCount > 0)
        .map(async ({ name, lastState }: { name: string; lastState: object }) => {
          const log = await cluster.kubectl
            .run(['logs', metadata.name, `--container=${name}`, '--previous', '--tail=20'])
            .catch(({ message }) => message);
          return `${metadata.name}/${name} restarted: ${JSON.stringify(lastState)}\n${log}`;
        }),
    ),
  );
  if (restarted.length > 0) throw new Error(restarted.join('\n'));
  const bad = events.filter((event) => !USUAL.includes(event.reason) && !isConflict(event) && !isUnsynced(event));
  if (bad.length > 0)
    throw new Error(bad.map(({ involvedObject, reason, message }) => `${involvedObject.name}: ${reason} ${message}`).join('\n'));
}
