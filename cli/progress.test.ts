import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Manifest } from '../lib/render.ts';
import type { Kubectl } from './kubectl.ts';
import { Live } from './output.ts';
import type { Profile } from './profile.ts';
import { report, settle } from './progress.ts';

const printed = vi.spyOn(console, 'log').mockImplementation(() => {});
beforeEach(() => vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => {
  vi.useRealTimers();
  printed.mockClear();
});

const selector = { matchLabels: { app: 'redis' } };
const workload = {
  kind: 'Deployment',
  metadata: { name: 'redis', uid: 'd', generation: 1 },
  spec: { replicas: 1, selector, template: { spec: { containers: [{ name: 'redis', image: 'redis:7' }] } } },
};
const ready = { observedGeneration: 1, replicas: 1, readyReplicas: 1, updatedReplicas: 1 };
const failed = { conditions: [{ type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message: 'no' }] };
const profile = { name: 'dev', objects: [workload] } as unknown as Profile;

/** The result of `settle` when the status of the workload depends on the seconds that have passed. */
async function settled(statusAfter: (seconds: number) => object, timeout = 600) {
  const start = performance.now();
  const objects = () => [{ ...workload, status: statusAfter((performance.now() - start) / 1000) }] as unknown as Manifest[];
  const [outcome] = await settle(objects, profile, new Live(false, false), timeout, async (milliseconds) =>
    vi.advanceTimersByTime(milliseconds),
  );
  return { state: outcome?.state, seconds: outcome?.seconds };
}

const lines = () => printed.mock.calls.map(([line]) => String(line).replace(/^\d\d:\d\d:\d\d /, ''));

test('it prints each change and ends when every workload is ready', async () => {
  expect(await settled((seconds) => (seconds < 5 ? {} : ready))).toEqual({ state: 'ready', seconds: 5 });
  expect(lines()).toEqual(['… redis  0/1  waiting for its pod to be created', '✔ redis  1/1']);
});

test('it ends when a workload stays stuck, and not when that passes', async () => {
  expect(await settled(() => failed)).toEqual({ state: 'stuck', seconds: 45 });
  expect(await settled((seconds) => (seconds < 40 ? failed : ready))).toEqual({ state: 'ready', seconds: 40 });
});

test('it ends after its time limit', async () => {
  expect(await settled(() => ({}), 20)).toEqual({ state: 'waiting', seconds: 20 });
});

test('the report has the message, the help and the last lines of a crashed container', async () => {
  const calls: string[] = [];
  const kubectl = {
    async run(args: readonly string[]) {
      calls.push(args.join(' '));
      // The kubelet has removed the newest container already.
      return args.includes('--previous') ? 'one\n\ntwo' : 'unable to retrieve container logs for containerd://1';
    },
  } as unknown as Kubectl;
  const crashed = { pod: 'redis-0', container: 'redis' };
  const diagnosis = {
    name: 'redis',
    kind: 'Deployment',
    ready: 0,
    wanted: 1,
    state: 'stuck',
    message: 'it crashed',
    help: 'fix it',
    crashed,
  } as const;
  expect(await report([diagnosis], kubectl)).toBe(
    '1 workload is not ready; fix the cause and run up again\nredis: it crashed\n    one\n    two\n  → fix it',
  );
  expect(calls).toEqual(['logs redis-0 --container=redis --tail=5', 'logs redis-0 --container=redis --tail=5 --previous']);
});
