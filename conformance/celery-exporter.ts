import assert from 'node:assert/strict';
import { podOf } from '../lib/render.ts';
import type { Suite } from './check.ts';
import { editProbe, type Manifests, removeEnv, removeMount } from './manifests.ts';
import { metricsUsed } from './metrics.ts';
import type { Pod } from './pod.ts';
import { eventually } from './process.ts';
import { redisCli } from './redis.ts';
import type { Sandbox } from './sandbox.ts';

/** The queues that workers consume. */
function queues(manifests: Manifests): readonly string[] {
  const args = manifests.flatMap((each) => podOf(each)?.containers.flatMap((container) => container.args ?? []) ?? []);
  const found = args.flatMap((arg) => /^--queues=(.+)/.exec(arg)?.[1]?.split(',') ?? []);
  assert.ok(found.length > 0, 'no worker consumes a queue');
  return found;
}

/** A ready exporter and its broker. */
async function startExporter(sandbox: Sandbox) {
  const redis = sandbox.pod('redis');
  const broker = await redis.startUntil('readiness', 20, 'redis');
  const pod = sandbox.pod('celery-exporter');
  return { redis, broker, pod, exporter: await pod.startUntil('readiness', 30) };
}

async function scrape(pod: Pod) {
  const response = await pod.fetch('metrics', '/metrics');
  return { status: response.status, text: await response.text() };
}

/** Sends the events of successful tasks, each of a different name, and waits until the exporter has counted the last one. */
async function succeed(sandbox: Sandbox, pod: Pod, tasks: number): Promise<void> {
  const script = `
import os
from celery import Celery
with Celery(broker=os.environ["CELERY_BROKER_URL"]).events.default_dispatcher(hostname="default@worker") as events:
    for task in range(${tasks}):
        events.send("task-received", uuid=str(task), name=f"main.task{task}")
        events.send("task-succeeded", uuid=str(task), runtime=1.0, result="")
`;
  await sandbox.pod('celery-beat').run(['python3', '-c', script], { seconds: 90 });
  const counted = async () => {
    const { status, text } = await scrape(pod);
    assert.equal(status, 200, `a scrape of ${tasks} tasks returned ${status}`);
    return text.includes(`celery_task_succeeded_total{hostname="worker",name="main.task${tasks - 1}"`);
  };
  await eventually(counted, 30, 'the last task is counted');
}

export const celeryExporter: Suite = {
  name: 'celery exporter',
  programs: ['celery-exporter', 'redis-server', 'redis-cli', 'python3'],
  checks: [
    {
      name: 'The Celery exporter logs in, its probes succeed, and it serves the metrics that the rules use, for every queue',
      async run(sandbox) {
        const { pod } = await startExporter(sandbox);
        await pod.waitFor('liveness', 5);
        const { text: page } = await scrape(pod);
        for (const name of metricsUsed(sandbox.manifests, 'celery')) {
          assert.ok(page.includes(`# TYPE ${name.replace(/_(total|bucket)$/, '')}`), `the rules use ${name}, which is missing`);
        }
        for (const queue of queues(sandbox.manifests)) {
          assert.match(page, new RegExp(`^celery_queue_length{queue_name="${queue}"} 0`, 'm'), `the queue ${queue} is missing`);
        }
      },
      broken: { edit: removeEnv('celery-exporter', 'CE_QUEUES'), error: /the queue \w+ is missing/ },
    },
    {
      name: 'The Celery exporter survives an outage of Redis, and is restarted after five minutes without a successful scrape',
      async run(sandbox) {
        const { redis, broker, pod, exporter } = await startExporter(sandbox);
        assert.equal(await pod.probe('liveness'), true, 'not alive though scrapes succeed');
        await broker.kill();
        assert.equal(await exporter.endedWithin(20), undefined, 'it exited when its broker was away');
        assert.equal(await pod.probe('liveness'), false, 'alive though scrapes fail');
        const { periodSeconds = 10, failureThreshold = 3 } = pod.container().livenessProbe ?? {};
        assert.equal(periodSeconds * failureThreshold, 300);
        redis.start('redis');
        await pod.waitFor('liveness', 30);
        await pod.waitFor('readiness', 30);
      },
      broken: { edit: editProbe('celery-exporter', 'liveness', { tcpSocket: { port: 'metrics' } }), error: /alive though scrapes fail/ },
    },
    {
      name: 'The Celery exporter does not requeue a task that a worker has held for two hours',
      async run(sandbox) {
        const { redis, pod } = await startExporter(sandbox);
        const { command, env } = redisCli(sandbox);
        const cli = async (...args: readonly string[]) => (await redis.exec([...command, ...args], { env })).output.trim();
        // Kombu's records of an unacknowledged task and of when it was delivered.
        const properties = { delivery_info: { exchange: '', routing_key: 'celery' }, priority: 0, delivery_tag: 'tag' };
        await cli('HSET', 'unacked', 'tag', JSON.stringify([{ body: '', headers: {}, properties }, '', 'celery']));
        await cli('ZADD', 'unacked_index', `${Date.now() / 1000 - 7200}`, 'tag');
        assert.equal((await scrape(pod)).status, 200);
        assert.equal(await cli('LLEN', 'celery'), '0', 'the task was requeued: a second worker would run it');
        assert.equal(await cli('HEXISTS', 'unacked', 'tag'), '1', 'the task is lost');
      },
      broken: { edit: removeEnv('celery-exporter', 'CE_BROKER_TRANSPORT_OPTION'), error: /a second worker would run it/ },
    },
    {
      name: 'The Celery exporter serves a page of more than 1 MiB (several hundred task names)',
      async run(sandbox) {
        const { pod } = await startExporter(sandbox);
        await succeed(sandbox, pod, 700);
        const { text } = await scrape(pod);
        assert.ok(text.length > 1 << 20, `the page has only ${text.length} bytes, so this proves nothing`);
      },
      broken: { edit: removeMount('celery-exporter', '/tmp'), error: /a scrape of 700 tasks returned 500/ },
    },
    {
      name: 'The Celery exporter serves no _created series',
      async run(sandbox) {
        const { pod } = await startExporter(sandbox);
        await succeed(sandbox, pod, 1);
        assert.doesNotMatch((await scrape(pod)).text, /^\w+_created\b/m);
      },
      broken: { edit: removeEnv('celery-exporter', 'PROMETHEUS_DISABLE_CREATED_SERIES'), error: /_created/ },
    },
  ],
};
