import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { type Manifest, podOf } from '../lib/render.ts';
import { containersOf, type Service } from './check.ts';
import type { Pod } from './pod.ts';
import { eventually } from './program.ts';
import type { Sandbox } from './sandbox.ts';

/** The queues that workers take from. */
function queues(manifests: readonly Manifest[]): readonly string[] {
  const args = manifests.flatMap((each) => podOf(each)?.containers.flatMap((container) => container.args ?? []) ?? []);
  const found = args.flatMap((arg) => /^--queues=(.+)/.exec(arg)?.[1]?.split(',') ?? []);
  assert.ok(found.length > 0, 'no worker takes from a queue');
  return found;
}

/** The exporter, ready, and its broker. */
async function up(sandbox: Sandbox) {
  const redis = sandbox.pod('StatefulSet', 'redis');
  const broker = redis.start('redis');
  await redis.until('readiness', 20);
  const pod = sandbox.pod('Deployment', 'celery-exporter');
  const exporter = pod.start();
  await pod.until('readiness', 30);
  return { redis, broker, pod, exporter };
}

/** What one scrape answers. */
async function scrape(pod: Pod) {
  const answer = await fetch(`${pod.url('metrics')}/metrics`);
  return { status: answer.status, text: await answer.text() };
}

/** Sends what a worker sends of so many tasks that succeed, each of another name, and waits until the exporter has counted the last. */
async function succeed(sandbox: Sandbox, pod: Pod, tasks: number): Promise<void> {
  const script = `
import os
from celery import Celery
with Celery(broker=os.environ["CELERY_BROKER_URL"]).events.default_dispatcher(hostname="default@worker") as events:
    for task in range(${tasks}):
        events.send("task-received", uuid=str(task), name=f"main.task{task}")
        events.send("task-succeeded", uuid=str(task), runtime=1.0, result="")
`;
  const { status, output } = await sandbox.pod('Deployment', 'celery-beat').exec(['python3', '-c', script], { seconds: 90 });
  assert.equal(status, 0, `no event was sent: ${output}`);
  const last = `celery_task_succeeded_total{hostname="worker",name="main.task${tasks - 1}"`;
  await eventually(
    async () => {
      const { status, text } = await scrape(pod);
      assert.equal(status, 200, `a page of ${tasks} tasks is answered with ${status}`);
      return text.includes(last);
    },
    30,
    'the last task is counted',
  );
}

/** What Prometheus reads of Celery. */
export const celeryExporter: Service = {
  name: 'celery exporter',
  programs: ['celery-exporter', 'redis-server', 'redis-cli', 'python3'],
  checks: [
    {
      name: 'logs in, its probes are answered, and it has the metrics that the rules read, of every queue',
      async run(sandbox) {
        const { pod } = await up(sandbox);
        await pod.until('liveness', 5);
        const { text: metrics } = await scrape(pod);
        const rules = JSON.stringify(sandbox.object('ConfigMap', 'prometheus').data);
        for (const name of new Set(rules.match(/\bcelery_[a-z_]+\b/g))) {
          const family = name.replace(/_(total|bucket)$/, '');
          assert.ok(metrics.includes(`# TYPE ${family}`), `the rules read ${name}, which it has not`);
        }
        for (const queue of queues(sandbox.manifests)) {
          assert.match(metrics, new RegExp(`^celery_queue_length{queue_name="${queue}"} 0`, 'm'), `it does not count the queue ${queue}`);
        }
      },
      broken: {
        by: (all) => {
          const [container] = containersOf(all, 'celery-exporter');
          container.env = container.env.filter(({ name }: { name: string }) => name !== 'CE_QUEUES');
        },
        says: /does not count the queue /,
      },
    },
    {
      name: 'outlives a Redis that is away; its liveness is whether a scrape succeeds, and five minutes without one restart it',
      async run(sandbox) {
        const { redis, broker, pod, exporter } = await up(sandbox);
        assert.equal(await pod.probe('liveness'), true, 'not alive though a scrape succeeds');
        await broker.kill();
        const ended = await Promise.race([exporter.ended, pause(20_000, undefined)]);
        assert.equal(ended, undefined, 'it ended when its broker was away');
        assert.equal(await pod.probe('liveness'), false, 'alive though no scrape succeeds');
        const { periodSeconds = 10, failureThreshold = 3 } = pod.container().livenessProbe ?? {};
        assert.equal(periodSeconds * failureThreshold, 300);
        redis.start('redis');
        await pod.until('liveness', 30);
        await pod.until('readiness', 30);
      },
      broken: {
        by: (all) => {
          containersOf(all, 'celery-exporter')[0].livenessProbe = { tcpSocket: { port: 'metrics' } };
        },
        says: /alive though no scrape succeeds/,
      },
      within: 120,
    },
    {
      name: 'leaves a task alone that a worker has had for two hours',
      async run(sandbox) {
        const { redis, pod } = await up(sandbox);
        const env = { REDISCLI_AUTH: sandbox.secret('redis', 'password') };
        const cli = async (...command: readonly string[]) => (await redis.exec(['redis-cli', ...command], { env })).output.trim();
        // As kombu notes down what a worker has not acknowledged yet, and since when it has it.
        const properties = { delivery_info: { exchange: '', routing_key: 'celery' }, priority: 0, delivery_tag: 'tag' };
        await cli('HSET', 'unacked', 'tag', JSON.stringify([{ body: '', headers: {}, properties }, '', 'celery']));
        await cli('ZADD', 'unacked_index', `${Date.now() / 1000 - 7200}`, 'tag');
        assert.equal((await scrape(pod)).status, 200);
        assert.equal(await cli('LLEN', 'celery'), '0', 'the task is in its queue again: a second worker would do it');
        assert.equal(await cli('HEXISTS', 'unacked', 'tag'), '1', 'the task is gone');
      },
      broken: {
        by: (all) => {
          const [container] = containersOf(all, 'celery-exporter');
          container.env = container.env.filter(({ name }: { name: string }) => name !== 'CE_BROKER_TRANSPORT_OPTION');
        },
        says: /a second worker would do it/,
      },
    },
    {
      name: 'answers with a page of more than a MiB, as several hundred kinds of task make one',
      async run(sandbox) {
        const { pod } = await up(sandbox);
        await succeed(sandbox, pod, 700);
        const { text } = await scrape(pod);
        assert.ok(text.length > 1 << 20, `the page has ${text.length} bytes only: this asks nothing`);
      },
      broken: {
        by: (all) => {
          containersOf(all, 'celery-exporter')[0].volumeMounts = [];
        },
        says: /a page of 700 tasks is answered with 500/,
      },
      within: 120,
    },
    {
      name: 'has no series of when a counter began',
      async run(sandbox) {
        const { pod } = await up(sandbox);
        await succeed(sandbox, pod, 1);
        assert.doesNotMatch((await scrape(pod)).text, /^\w+_created\b/m);
      },
      broken: {
        by: (all) => {
          const [container] = containersOf(all, 'celery-exporter');
          container.env = container.env.filter(({ name }: { name: string }) => name !== 'PROMETHEUS_DISABLE_CREATED_SERIES');
        },
        says: /_created/,
      },
    },
  ],
};
