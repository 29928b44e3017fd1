import { isConflict } from '../cli/snapshot.ts';
import type { Manifest } from '../lib/render.ts';
import type { Cluster } from './cluster.ts';
import type { Proof } from './proof.ts';

/**
 * Warning events of a normal start: failing probes, pods before their disks, retries of controllers, and a Service whose address the
 * API server's repair loop does not find in its cache yet.
 */
const EXPECTED = [
  'Unhealthy',
  'FailedToUpdateEndpoint',
  'FailedToUpdateEndpointSlices',
  'FailedToCreateEndpoint',
  'FailedScheduling',
  'ClusterIPNotAllocated',
];

/** The kubelet retries a mount whose ConfigMap or Secret it has not received yet. */
const isUnsynced = ({ reason, message }: Manifest) => reason === 'FailedMount' && /failed to sync (configmap|secret) cache/.test(message);

/** The seconds after which a workload was ready, from `up --json`. */
export interface ReadyTime {
  readonly name: string;
  readonly seconds: number;
}

/** Promised for `up` on an empty cluster with the images on the node. */
const MAX_SECONDS = 90;

export const install = (onReady: (times: readonly ReadyTime[]) => void): Proof => ({
  name: `up on an empty cluster: ready within ${MAX_SECONDS} s without a server warning, and a second up changes nothing`,
  async run(cluster) {
    const first = await cluster.command('up', ['--json']);
    const report = first.all.split('\n').find((line) => line.startsWith('{')) ?? '';
    if (first.all.trim() !== report) throw new Error(`the server warned: ${first.all}`);
    onReady(JSON.parse(report).workloads);
    const seconds = first.durationMs / 1000;
    if (seconds > MAX_SECONDS) throw new Error(`it took ${seconds.toFixed(0)} s`);
    const second = await cluster.command('up');
    if (!second.all.includes('0 changes')) throw new Error(`the second up changed something: ${second.all}`);
    return `all ready after ${seconds.toFixed(0)} s, the second up ${(second.durationMs / 1000).toFixed(1)} s`;
  },
});

export const noErrors: Proof = {
  name: 'no container has restarted, and no warning event reports an error',
  async run(cluster) {
    const [pods, events] = await Promise.all([
      cluster.kubectl.objects(['get', 'pods']),
      cluster.kubectl.objects(['get', 'events', '--field-selector=type=Warning']),
    ]);
    const restarts = await Promise.all(pods.flatMap((pod) => restartsOf(pod, cluster)));
    if (restarts.length > 0) throw new Error(restarts.join('\n'));
    const errors = events.filter((event) => !EXPECTED.includes(event.reason) && !isConflict(event) && !isUnsynced(event));
    if (errors.length > 0)
      throw new Error(errors.map(({ involvedObject, reason, message }) => `${involvedObject.name}: ${reason} ${message}`).join('\n'));
    return `${pods.length} pods, ${events.length} expected events`;
  },
};

/** A description of each restarted container, with the end of its previous log. */
function restartsOf({ metadata, status }: Manifest, { kubectl }: Cluster): readonly Promise<string>[] {
  const restarted = (status.containerStatuses ?? []).filter(({ restartCount }: { restartCount: number }) => restartCount > 0);
  return restarted.map(async ({ name, lastState }: { name: string; lastState: object }) => {
    const log = kubectl.run(['logs', metadata.name, `--container=${name}`, '--previous', '--tail=20']);
    return `${metadata.name}/${name} restarted: ${JSON.stringify(lastState)}\n${await log.catch(({ message }) => message)}`;
  });
}
