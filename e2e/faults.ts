import { setTimeout as pause } from 'node:timers/promises';
import { redis, result, send } from './app.ts';
import { type Cluster, eventually } from './cluster.ts';
import type { Step } from './step.ts';

const WORKER = 'app.kubernetes.io/instance=celery-worker-default';

async function workerPod(cluster: Cluster): Promise<string> {
  const pods = (await cluster.pods()).filter(({ metadata }) => metadata.labels?.['app.kubernetes.io/instance'] === 'celery-worker-default');
  const pod = pods.find(({ metadata }) => !('deletionTimestamp' in metadata));
  if (!pod) throw new Error('no worker runs');
  return pod.metadata.name;
}

/** Whether a worker's log says that it has begun the task. */
const began = (cluster: Cluster, task: string) => async () =>
  (await cluster.kubectl.run(['logs', `--selector=${WORKER}`, '--tail=200'])).includes(`[${task}] received`);

const kill = (cluster: Cluster, ...pods: readonly string[]) =>
  cluster.kubectl.run(['delete', 'pod', ...pods, '--grace-period=0', '--force'], { seconds: 60 });

/** Sends notes; their tasks, by the keys that they write. */
async function notes(cluster: Cluster, number: number, prefix: string): Promise<ReadonlyMap<string, string>> {
  const keys = Array.from({ length: number }, (_, index) => `${prefix}-${Date.now()}-${index}`);
  const tasks = new Map<string, string>();
  for (const key of keys) tasks.set(key, await send(cluster, 'main.note', ['a fault', key]));
  return tasks;
}

/** Faults while work is under way. */
export const faults: readonly Step[] = [
  {
    name: 'the process of a task killed in mid-task: the task is done again, its effect is there once',
    async run(cluster) {
      const task = await send(cluster, 'main.slow', [12]);
      await eventually(began(cluster, task), 20, 'the task runs');
      // The pool's processes are the children of process 1; one of them runs the task.
      const children =
        'for stat in /proc/[0-9]*/stat; do read -r pid name state parent rest <$stat; [ "$parent" = 1 ] && kill -9 $pid; done; true';
      await cluster.exec(await workerPod(cluster), ['sh', '-c', children]);
      await result(cluster, task, 90);
      return 'it succeeded';
    },
  },
  {
    name: 'the worker deleted in mid-task: the task ends or is handed over',
    async run(cluster) {
      const task = await send(cluster, 'main.slow', [15]);
      await eventually(began(cluster, task), 20, 'the task runs');
      await cluster.kubectl.run(['delete', 'pod', await workerPod(cluster)], { seconds: 200 });
      await result(cluster, task, 90);
      await cluster.settle();
      return 'it succeeded';
    },
  },
  {
    name: 'Redis killed with tasks in its queues: none is lost',
    extra: true,
    async run(cluster) {
      const queue = `fault-${Date.now()}`;
      for (let sent = 0; sent < 10; sent += 1) await send(cluster, 'main.slow', [0], queue);
      await pause(1100);
      await kill(cluster, 'redis-0');
      await cluster.settle();
      const left = await redis(cluster, ['LLEN', queue]);
      await redis(cluster, ['DEL', queue]);
      if (left !== '10') throw new Error(`${left} of 10 are left`);
      return '10 of 10 are there';
    },
  },
  {
    name: 'Tempo away and the collector restarted while spans flow: every span that was accepted arrives',
    extra: true,
    async run(cluster) {
      await cluster.kubectl.run(['scale', 'deployment/tempo', '--replicas=0']);
      const tasks = await notes(cluster, 3, 'spans');
      const traces: string[] = [];
      for (const task of tasks.values()) traces.push((await result<{ trace: string }>(cluster, task)).trace);
      // The processes of the pool hand their spans on every five seconds.
      await pause(8000);
      await cluster.kubectl.run(['delete', 'pod', '--selector=app.kubernetes.io/name=otel-collector'], { seconds: 120 });
      await cluster.must('up', ['--force']);
      for (const trace of traces) {
        await eventually(
          async () => (await cluster.http('tempo', 3200, `/api/traces/${trace}`)).status === 200,
          120,
          `the trace ${trace} is in Tempo`,
        );
      }
      return `${traces.length} of ${traces.length} traces`;
    },
  },
  {
    name: 'Prometheus away while Tempo writes span metrics: it catches up',
    extra: true,
    async run(cluster) {
      const count = async () => {
        const query = encodeURIComponent('sum(traces_spanmetrics_calls_total)');
        const { text } = await cluster.http('prometheus', 9090, `/api/v1/query?query=${query}`);
        return Number(JSON.parse(text).data.result[0]?.value[1] ?? 0);
      };
      await eventually(async () => (await count()) > 0, 90, 'there are span metrics');
      const before = await count();
      await cluster.kubectl.run(['scale', 'statefulset/prometheus', '--replicas=0']);
      const tasks = await notes(cluster, 2, 'metrics');
      for (const task of tasks.values()) await result(cluster, task);
      await cluster.must('up', ['--force']);
      await eventually(async () => (await count()) > before, 120, 'the calls of that time are counted');
      return 'the calls of that time are counted';
    },
  },
  {
    name: 'a Consul server killed: keys and ACLs are there',
    extra: true,
    async run(cluster) {
      const headers = { 'x-consul-token': await cluster.secret('consul', 'app-token') };
      await cluster.http('consul', 8500, '/v1/kv/app/fault', { method: 'PUT', body: 'kept', headers });
      await kill(cluster, 'consul-0');
      await cluster.settle();
      await eventually(
        async () => (await cluster.http('consul', 8500, '/v1/kv/app/fault?raw', { headers })).text === 'kept',
        60,
        'the key is there',
      );
      if ((await cluster.http('consul', 8500, '/v1/kv/app/fault')).status !== 403) throw new Error('it answers without a token');
      return 'they are';
    },
  },
  {
    name: 'ArangoDB killed while notes are written: every acknowledged one is there',
    extra: true,
    async run(cluster) {
      const sent = notes(cluster, 8, 'written');
      await pause(4000);
      await kill(cluster, 'arangodb-0');
      const tasks = await sent;
      for (const task of tasks.values()) await result(cluster, task, 180);
      const { database, username } = cluster.profile.settings.arangodb;
      const password = await cluster.secret('arangodb', 'password');
      const headers = { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` };
      for (const key of tasks.keys()) {
        const { status } = await cluster.http('arangodb', 8529, `/_db/${database}/_api/document/notes/${key}`, { headers });
        if (status !== 200) throw new Error(`the note ${key} was acknowledged, and ArangoDB answers ${status}`);
      }
      return `${tasks.size} of ${tasks.size} notes`;
    },
  },
];
