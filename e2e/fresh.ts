import type { Cluster } from './cluster.ts';
import type { Step } from './step.ts';

/** Reasons of warnings that a start is full of: a probe that is not answered yet, and the server's own races. */
const USUAL = ['Unhealthy', 'FailedToUpdateEndpoint', 'FailedToUpdateEndpointSlices', 'FailedToCreateEndpoint', 'FailedScheduling'];

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
  const restarted = pods.filter(({ status }) =>
    status.containerStatuses?.some(({ restartCount }: { restartCount: number }) => restartCount > 0),
  );
  if (restarted.length > 0) throw new Error(`restarted: ${restarted.map(({ metadata }) => metadata.name).join(', ')}`);
  const bad = events.filter(({ reason }) => !USUAL.includes(reason));
  if (bad.length > 0)
    throw new Error(bad.map(({ involvedObject, reason, message }) => `${involvedObject.name}: ${reason} ${message}`).join('\n'));
}
