import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { Manifest } from '../lib/render.ts';
import { type Check, containersOf, type Service } from './check.ts';
import type { Pod, PodOverrides } from './pod.ts';
import { eventually, type Program } from './program.ts';
import type { Sandbox } from './sandbox.ts';

/** The pool that takes from the queue of the slow tasks. */
function pool(manifests: readonly Manifest[]): string {
  const takesSlow = ({ args }: { args?: string[] }) => args?.some((arg) => /^--queues=(.*,)?slow(,|$)/.test(arg));
  const found = manifests.find(({ kind, spec }) => kind === 'Deployment' && spec.template.spec.containers.some(takesSlow));
  assert.ok(found, 'no pool takes from the queue "slow"');
  return found.metadata.name;
}

/** How many tasks a worker runs at the same time. */
const children = (pod: Pod) => Number(/--concurrency=(\d+)/.exec(pod.container().args?.join(' ') ?? '')?.[1]);

/** The broker, up and ready. */
async function broker(sandbox: Sandbox) {
  const pod = sandbox.pod('StatefulSet', 'redis');
  const server = pod.start('redis');
  await pod.until('readiness', 20);
  return { pod, server };
}

/** A worker that consumes, and its broker. */
async function consuming(sandbox: Sandbox, overrides: PodOverrides = {}) {
  const redis = await broker(sandbox);
  const pod = sandbox.pod('Deployment', pool(sandbox.manifests));
  const worker = pod.start(undefined, overrides);
  await pod.until('readiness', 30);
  return { redis, pod, worker };
}

/** Sends `main.slow`, for that many seconds; the id of the task. */
async function slow(pod: Pod, seconds: number): Promise<string> {
  const { status, output } = await pod.exec(['celery', '-A', 'main.celery', 'call', 'main.slow', '--queue=slow', `--args=[${seconds}]`]);
  assert.equal(status, 0, `a task cannot be sent: ${output}`);
  return output.trim().split('\n').at(-1) ?? '';
}

const received = (worker: Program, task: string) => () => worker.output.includes(`Task main.slow[${task}] received`);
const succeeded = (worker: Program, task: string) => () => worker.output.includes(`Task main.slow[${task}] succeeded`);

const worker: readonly Check[] = [
  {
    name: 'is alive and not ready until it consumes, and ready when it does',
    async run(sandbox) {
      const pod = sandbox.pod('Deployment', pool(sandbox.manifests));
      pod.start();
      await pod.until('startup', 30);
      assert.equal(await pod.probe('liveness'), true, 'not alive while it waits for its broker');
      assert.equal(await pod.probe('readiness'), false, 'ready without a broker');
      await broker(sandbox);
      await pod.until('readiness', 60);
    },
    broken: {
      by: (all) => {
        containersOf(all, pool(all))[0].readinessProbe.exec.command = ['test', '-d', '/run/platform'];
      },
      says: /ready without a broker/,
    },
    within: 150,
  },
  {
    name: 'is never restarted while it is idle, nor while every child is busy for longer than the probe waits',
    async run(sandbox) {
      const { pod, worker } = await consuming(sandbox);
      assert.equal(await pod.restartedAfter(61), undefined, 'restarted while it was idle');
      const tasks = await Promise.all(Array.from({ length: children(pod) }, () => slow(pod, 70)));
      await eventually(() => tasks.every((task) => received(worker, task)()), 20, 'every child has a task');
      assert.equal(await pod.restartedAfter(68), undefined, 'restarted while every child was busy');
      await eventually(() => tasks.every((task) => succeeded(worker, task)()), 20, 'every task has succeeded');
    },
    within: 240,
  },
  {
    name: 'is restarted within two minutes once its parent process hangs',
    async run(sandbox) {
      const { pod, worker } = await consuming(sandbox);
      await worker.signal('SIGSTOP');
      const seconds = await pod.restartedAfter(120);
      assert.ok(seconds !== undefined, 'two minutes after SIGSTOP nothing would have restarted it');
      // A minute until the file is old, then as many questions as the manifest says.
      assert.ok(seconds > 60, `restarted after ${seconds.toFixed(0)} s: the file was old too soon`);
    },
    broken: {
      by: (all) => {
        containersOf(all, pool(all))[0].livenessProbe.exec.command = ['test', '-e', '/run/platform/alive'];
      },
      says: /nothing would have restarted it/,
    },
    within: 180,
  },
  {
    name: 'outlives a Redis that is away for longer than the probe waits, and consumes again',
    async run(sandbox) {
      const { redis, pod, worker } = await consuming(sandbox);
      await redis.server.kill();
      await eventually(async () => !(await pod.probe('readiness')), 60, 'it is not ready without a broker');
      assert.equal(await pod.restartedAfter(75), undefined, 'restarted while its broker was away');
      redis.pod.start('redis');
      await pod.until('readiness', 60);
      const task = await slow(pod, 0);
      await eventually(succeeded(worker, task), 20, 'a task succeeds after the outage');
    },
    within: 270,
  },
  {
    name: 'SIGTERM lets a short task end; a longer one goes back to the queue and to the next worker (the limit made 8 s)',
    async run(sandbox) {
      const limit = 8;
      const { pod, worker } = await consuming(sandbox, { env: { PLATFORM_SOFT_SHUTDOWN_SECONDS: `${limit}` } });
      const [short, long] = [await slow(pod, 6), await slow(pod, 20)];
      await eventually(received(worker, long), 20, 'both tasks run');
      const stopped = performance.now();
      assert.equal(await worker.stop(limit + 30), 0);
      const took = (performance.now() - stopped) / 1000;
      assert.ok(took >= limit - 1, `it ended after ${took.toFixed(1)} s: the longer task had no time`);
      assert.ok(succeeded(worker, short)(), 'the short task did not end');
      assert.ok(!succeeded(worker, long)(), 'the longer task ended in time: this asks nothing');
      const next = pod.start();
      await eventually(succeeded(next, long), 60, 'the next worker does the longer task');
    },
    broken: {
      by: (all) => {
        // A shell that waits for its child takes SIGTERM for itself.
        const [container] = containersOf(all, pool(all));
        container.args[2] = container.args[2].replace('exec "$0" "$@"', '"$0" "$@"; true');
      },
      says: /did not end within|short task did not end/,
    },
    within: 150,
  },
  {
    name: 'SIGKILL in mid-task: another worker does it again (the visibility timeout made 5 s)',
    async run(sandbox) {
      const overrides = { env: { PLATFORM_VISIBILITY_TIMEOUT_SECONDS: '5' } };
      const { pod, worker } = await consuming(sandbox, overrides);
      const task = await slow(pod, 3);
      await eventually(received(worker, task), 20, 'the task runs');
      await worker.kill();
      await pause(6000);
      const next = pod.start(undefined, overrides);
      await eventually(succeeded(next, task), 90, 'the next worker does the task');
    },
    within: 120,
  },
];

/** When beat sent the tick, by its own log. */
const ticks = ({ output }: Program) =>
  [...output.matchAll(/\[([\d-]+ [\d:]+),(\d+): .*Sending due task tick/g)].map(([, time, millis]) => Date.parse(`${time}.${millis}`));

async function ticking(sandbox: Sandbox) {
  const pod = sandbox.pod('Deployment', 'celery-beat');
  const beat = pod.start();
  await pod.until('startup', 30);
  await pod.until('readiness', 30);
  return { pod, beat };
}

const beat: readonly Check[] = [
  {
    name: 'sends no tick twice across a SIGKILL: its schedule is on its volume',
    async run(sandbox) {
      await broker(sandbox);
      const { pod, beat } = await ticking(sandbox);
      await eventually(() => ticks(beat).length > 0, 45, 'it ticks');
      await beat.kill();
      // One file or several, as Python's database of that machine has it.
      const files = readdirSync(pod.file('/var/lib/celery'));
      assert.ok(
        files.some((file) => file.startsWith('celerybeat-schedule')),
        'its volume has no schedule',
      );
      const next = pod.start();
      await eventually(() => ticks(next).length > 0, 45, 'it ticks again');
      const [last = 0, first = 0] = [ticks(beat).at(-1), ticks(next)[0]];
      assert.ok(first - last > 25_000, `two ticks within ${(first - last) / 1000} s, of one every 30 s`);
    },
    broken: {
      by: (all) => {
        const [container] = containersOf(all, 'celery-beat');
        container.args = container.args.map((arg: string) => arg.replace('/var/lib/celery/', '/tmp/'));
      },
      says: /its volume has no schedule/,
    },
    within: 150,
  },
  {
    name: 'is not restarted while Redis is away, and ticks when it is back',
    async run(sandbox) {
      const redis = await broker(sandbox);
      const { pod, beat } = await ticking(sandbox);
      await redis.server.kill();
      assert.equal(await pod.restartedAfter(75), undefined, 'restarted while its broker was away');
      const before = ticks(beat).length;
      redis.pod.start('redis');
      await eventually(() => ticks(beat).length > before, 60, 'it ticks again');
      assert.equal(await pod.probe('readiness'), true, 'it ticks and is not ready');
    },
    within: 210,
  },
  {
    name: 'is restarted within two minutes once it hangs; its heartbeat is younger than its loop is long',
    async run(sandbox) {
      await broker(sandbox);
      const { pod, beat } = await ticking(sandbox);
      const age = () => (Date.now() - statSync(pod.file('/run/platform/alive')).mtimeMs) / 1000;
      for (let seconds = 0; seconds < 40; seconds += 2) {
        assert.ok(age() < 15, `its file is ${age().toFixed(0)} s old while it works`);
        await pause(2000);
      }
      await beat.signal('SIGSTOP');
      assert.ok((await pod.restartedAfter(120)) !== undefined, 'two minutes after SIGSTOP nothing would have restarted it');
    },
    broken: {
      by: (all) => {
        containersOf(all, 'celery-beat')[0].livenessProbe.exec.command = ['true'];
      },
      says: /nothing would have restarted it/,
    },
    within: 240,
  },
];

/** The worker pool, with the reference app and a real Redis. */
export const celeryWorker: Service = { name: 'celery worker', programs: ['celery', 'redis-server', 'redis-cli'], checks: worker };

/** The scheduler, with the reference app's schedule. */
export const celeryBeat: Service = { name: 'celery beat', programs: ['celery', 'redis-server', 'redis-cli'], checks: beat };
