import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { type Manifest, podOf } from '../lib/render.ts';
import { containersOf, type Service } from './check.ts';
import { eventually } from './program.ts';
import type { Sandbox } from './sandbox.ts';

/** Not among what the stand-in counts. */
const LACKING = ['celery_active_worker_count', 'celery_task_runtime_bucket'];

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

/** What Prometheus reads of Celery. */
export const celeryExporter: Service = {
  name: 'celery exporter',
  programs: ['celery-exporter', 'redis-server', 'redis-cli'],
  checks: [
    {
      name: 'logs in, its probes are answered, and it has the metrics that the rules read, of every queue',
      async run(sandbox) {
        const { pod } = await up(sandbox);
        await pod.until('liveness', 5);
        const metrics = await (await fetch(`${pod.url('metrics')}/metrics`)).text();
        const rules = JSON.stringify(sandbox.object('ConfigMap', 'prometheus').data);
        const lacking = sandbox.programs['celery-exporter']?.standin ? LACKING : [];
        for (const name of new Set(rules.match(/\bcelery_[a-z_]+\b/g))) {
          const family = name.replace(/_(total|bucket)$/, '');
          assert.ok(metrics.includes(`# TYPE ${family}`) || lacking.includes(name), `the rules read ${name}, which it has not`);
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
      name: 'outlives a Redis that is away: alive and not ready, then ready again',
      async run(sandbox) {
        const { redis, broker, pod, exporter } = await up(sandbox);
        await broker.kill();
        await eventually(async () => !(await pod.probe('readiness')), 20, 'it is not ready without its broker');
        const ended = await Promise.race([exporter.ended, pause(20_000, undefined)]);
        assert.equal(ended, undefined, 'it ended when its broker was away');
        assert.equal(await pod.probe('liveness'), true, 'not alive without its broker');
        redis.start('redis');
        await pod.until('readiness', 30);
      },
      broken: {
        by: (all) => {
          containersOf(all, 'celery-exporter')[0].livenessProbe = { httpGet: { path: '/health', port: 'metrics' } };
        },
        says: /not alive without its broker/,
      },
      within: 120,
    },
  ],
};
