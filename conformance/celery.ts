import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { Check, Suite } from './check.ts';
import { type Edit, editArgs, execProbe, type Manifests } from './manifests.ts';
import type { Overrides, Pod } from './pod.ts';
import { eventually, type Process } from './process.ts';
import type { Sandbox } from './sandbox.ts';

/** A liveness probe that restarts the pod in every outage of its broker. */
const NEEDS_BROKER = 'redis-cli -u "$CELERY_BROKER_URL" ping | grep -q PONG';

/** The worker pool that consumes the queue of `main.slow`. */
function slowPool(manifests: Manifests): string {
  const consumes = ({ args }: { args?: string[] }) => args?.some((arg) => /^--queues=(.*,)?slow(,|$)/.test(arg));
  const found = manifests.find(({ kind, spec }) => kind === 'Deployment' && spec.template.spec.containers.some(consumes));
  assert.ok(found, 'no pool consumes the queue "slow"');
  return found.metadata.name;
}

/** An edit of that pool. */
const inSlowPool =
  (edit: (pool: string) => Edit): Edit =>
  (manifests) =>
    edit(slowPool(manifests))(manifests);

/** The number of tasks that a worker runs at the same time. */
const concurrency = (pod: Pod) => Number(/--concurrency=(\d+)/.exec(pod.container().args?.join(' ') ?? '')?.[1]);

/** A ready broker. */
async function startBroker(sandbox: Sandbox) {
  const pod = sandbox.pod('redis');
  return { pod, server: await pod.startUntil('readiness', 20, 'redis') };
}

/** A ready worker and its broker. */
async function startWorker(sandbox: Sandbox, overrides: Overrides = {}) {
  const redis = await startBroker(sandbox);
  const pod = sandbox.pod(slowPool(sandbox.manifests));
  return { redis, pod, worker: await pod.startUntil('readiness', 60, undefined, overrides) };
}

/** Sends `main.slow`, which runs for that many seconds, and returns the task's id. */
async function send(pod: Pod, seconds: number): Promise<string> {
  const output = await pod.run(['celery', '-A', 'main.celery', 'call', 'main.slow', '--queue=slow', `--args=[${seconds}]`]);
  return output.trim().split('\n').at(-1) ?? '';
}

const received = (worker: Process, task: string) => () => worker.output.includes(`Task main.slow[${task}] received`);
const succeeded = (worker: Process, task: string) => () => worker.output.includes(`Task main.slow[${task}] succeeded`);

const workerChecks: readonly Check[] = [
  {
    name: 'A worker is alive but not ready until it consumes from its broker',
    async run(sandbox) {
      const pod = sandbox.pod(slowPool(sandbox.manifests));
      await pod.startUntil('startup', 60);
      assert.equal(await pod.probe('liveness'), true, 'not alive while it waits for its broker');
      assert.equal(await pod.probe('readiness'), false, 'ready without a broker');
      await startBroker(sandbox);
      await pod.waitFor('readiness', 60);
    },
    broken: { edit: inSlowPool((pool) => execProbe(pool, 'readiness', 'test -d /run/platform')), error: /ready without a broker/ },
  },
  {
    name: 'A worker is not restarted while it is idle, nor while every process is busy for longer than the liveness probe allows',
    async run(sandbox) {
      const { pod, worker } = await startWorker(sandbox);
      assert.equal(await pod.restartedAfter(61), undefined, 'restarted while it was idle');
      const tasks = await Promise.all(Array.from({ length: concurrency(pod) }, () => send(pod, 70)));
      await eventually(() => tasks.every((task) => received(worker, task)()), 20, 'every process has a task');
      assert.equal(await pod.restartedAfter(68), undefined, 'restarted while every process was busy');
      await eventually(() => tasks.every((task) => succeeded(worker, task)()), 20, 'every task succeeds');
    },
    broken: { edit: inSlowPool((pool) => execProbe(pool, 'liveness', 'false')), error: /restarted while it was idle/ },
    timeoutSeconds: 240,
  },
  {
    name: 'A worker is restarted within two minutes after its parent process hangs',
    async run(sandbox) {
      const { pod, worker } = await startWorker(sandbox);
      await worker.signal('SIGSTOP');
      const seconds = await pod.restartedAfter(120);
      assert.ok(seconds !== undefined, 'not restarted within two minutes of SIGSTOP');
      // The heartbeat file is too old after a minute; then the probe fails as often as its threshold.
      assert.ok(seconds > 60, `restarted after ${seconds.toFixed(0)} s: the heartbeat is too old too soon`);
    },
    broken: {
      edit: inSlowPool((pool) => execProbe(pool, 'liveness', 'test -e /run/platform/alive')),
      error: /not restarted within two minutes/,
    },
  },
  {
    name: 'A worker is not restarted while Redis is away for longer than the liveness probe allows, and consumes when Redis is back',
    async run(sandbox) {
      const { redis, pod, worker } = await startWorker(sandbox);
      await redis.server.kill();
      await eventually(async () => !(await pod.probe('readiness')), 60, 'it is not ready without a broker');
      assert.equal(await pod.restartedAfter(75), undefined, 'restarted while its broker was away');
      redis.pod.start('redis');
      await pod.waitFor('readiness', 60);
      await eventually(succeeded(worker, await send(pod, 0)), 20, 'a task succeeds after the outage');
    },
    broken: { edit: inSlowPool((pool) => execProbe(pool, 'liveness', NEEDS_BROKER)), error: /restarted while its broker was away/ },
    timeoutSeconds: 270,
  },
  {
    name: 'On SIGTERM a worker finishes a short task and requeues a longer one, which the next worker runs (time limit lowered to 8 s)',
    async run(sandbox) {
      const limit = 8;
      const { pod, worker } = await startWorker(sandbox, { env: { PLATFORM_SOFT_SHUTDOWN_SECONDS: `${limit}` } });
      const [short, long] = [await send(pod, 6), await send(pod, 20)];
      await eventually(received(worker, long), 20, 'both tasks run');
      const stopped = performance.now();
      assert.equal(await worker.stop(limit + 30), 0);
      const seconds = (performance.now() - stopped) / 1000;
      assert.ok(seconds >= limit - 1, `it ended after ${seconds.toFixed(1)} s, before the time limit of the longer task`);
      assert.ok(succeeded(worker, short)(), 'the short task did not finish');
      assert.ok(!succeeded(worker, long)(), 'the longer task finished within the time limit, so this proves nothing');
      await eventually(succeeded(pod.start(), long), 60, 'the next worker runs the longer task');
    },
    broken: {
      // A shell that waits for its child does not forward SIGTERM.
      edit: inSlowPool((pool) => editArgs(pool, 'exec "$0" "$@"', '"$0" "$@"; true')),
      error: /did not end within|short task did not finish/,
    },
  },
  {
    name: 'After SIGKILL of a worker, another one runs its task (visibility timeout lowered to 5 s)',
    async run(sandbox) {
      const overrides = { env: { PLATFORM_VISIBILITY_TIMEOUT_SECONDS: '5' } };
      const { pod, worker } = await startWorker(sandbox, overrides);
      const task = await send(pod, 10);
      await eventually(received(worker, task), 20, 'the task runs');
      await worker.kill();
      assert.ok(!succeeded(worker, task)(), 'the task finished before the kill, so this proves nothing');
      await pause(6000);
      await eventually(succeeded(pod.start(undefined, overrides), task), 90, 'the next worker runs the task');
    },
    broken: {
      // Without the variable, Celery's default of an hour applies.
      edit: inSlowPool((pool) => editArgs(pool, 'exec "$0"', 'unset PLATFORM_VISIBILITY_TIMEOUT_SECONDS; exec "$0"')),
      error: /the next worker runs the task/,
    },
  },
];

/** The times in the log at which beat sent `main.tick`. */
const ticks = ({ output }: Process) =>
  [...output.matchAll(/\[([\d-]+ [\d:]+),(\d+): .*Sending due task tick/g)].map(([, time, millis]) => Date.parse(`${time}.${millis}`));

/** A ready scheduler. */
async function startBeat(sandbox: Sandbox) {
  const pod = sandbox.pod('celery-beat');
  const beat = await pod.startUntil('startup', 60);
  await pod.waitFor('readiness', 60);
  return { pod, beat };
}

const beatChecks: readonly Check[] = [
  {
    name: 'Beat keeps its schedule on its volume: it sends no task twice after SIGKILL',
    async run(sandbox) {
      await startBroker(sandbox);
      const { pod, beat } = await startBeat(sandbox);
      await eventually(() => ticks(beat).length > 0, 45, 'it sends the task');
      await beat.kill();
      // One file or several, depending on the database module of Python.
      const schedules = readdirSync(pod.file('/var/lib/celery')).filter((file) => file.startsWith('celerybeat-schedule'));
      assert.ok(schedules.length > 0, 'its volume has no schedule');
      const next = pod.start();
      await eventually(() => ticks(next).length > 0, 45, 'it sends the task after the restart');
      const [last = 0, first = 0] = [ticks(beat).at(-1), ticks(next)[0]];
      assert.ok(first - last > 25_000, `it sent a task twice within ${(first - last) / 1000} s, with an interval of 30 s`);
    },
    broken: { edit: editArgs('celery-beat', '/var/lib/celery/', '/tmp/'), error: /its volume has no schedule/ },
  },
  {
    name: 'Beat is not restarted while Redis is away, and sends tasks when Redis is back',
    async run(sandbox) {
      const redis = await startBroker(sandbox);
      const { pod, beat } = await startBeat(sandbox);
      await redis.server.kill();
      assert.equal(await pod.restartedAfter(75), undefined, 'restarted while its broker was away');
      const before = ticks(beat).length;
      redis.pod.start('redis');
      await eventually(() => ticks(beat).length > before, 60, 'it sends tasks again');
      await pod.waitFor('readiness', 10);
    },
    broken: { edit: execProbe('celery-beat', 'liveness', NEEDS_BROKER), error: /restarted while its broker was away/ },
    timeoutSeconds: 210,
  },
  {
    name: 'Beat keeps its heartbeat younger than its longest sleep, and is restarted within two minutes after it hangs',
    async run(sandbox) {
      await startBroker(sandbox);
      const { pod, beat } = await startBeat(sandbox);
      const age = () => (Date.now() - statSync(pod.file('/run/platform/alive')).mtimeMs) / 1000;
      for (let seconds = 0; seconds < 40; seconds += 2) {
        assert.ok(age() < 15, `its heartbeat is ${age().toFixed(0)} s old while it works`);
        await pause(2000);
      }
      await beat.signal('SIGSTOP');
      assert.ok((await pod.restartedAfter(120)) !== undefined, 'not restarted within two minutes of SIGSTOP');
    },
    broken: { edit: execProbe('celery-beat', 'liveness', 'true'), error: /not restarted within two minutes/ },
    timeoutSeconds: 240,
  },
];

/** A worker pool with the reference app and a real Redis. */
export const celeryWorker: Suite = { name: 'celery worker', programs: ['celery', 'redis-server', 'redis-cli'], checks: workerChecks };

/** The scheduler with the reference app's schedule. */
export const celeryBeat: Suite = { name: 'celery beat', programs: ['celery', 'redis-server', 'redis-cli'], checks: beatChecks };
