import { setTimeout as pause } from 'node:timers/promises';
import { noteInArangoDB, redis, result, send, traceOf, WORKER } from './app.ts';
import { type Cluster, eventually, INSTANCE } from './cluster.ts';
import type { Proof } from './proof.ts';

/** Sends a task that takes `seconds`, and waits until a worker has received it. */
async function startSlowTask(cluster: Cluster, seconds: number): Promise<string> {
  const task = await send(cluster, 'main.slow', [seconds]);
  const logs = ['logs', `--selector=${INSTANCE}=${WORKER}`, '--tail=200'];
  await eventually(async () => (await cluster.kubectl.run(logs)).includes(`[${task}] received`), 20, 'a worker receives the task');
  return task;
}

async function workerPod(cluster: Cluster): Promise<string> {
  const pods = (await cluster.pods()).filter(({ metadata }) => metadata.labels?.[INSTANCE] === WORKER);
  const pod = pods.find(({ metadata }) => !('deletionTimestamp' in metadata));
  if (!pod) throw new Error('no worker runs');
  return pod.metadata.name;
}

/** Sends tasks that write notes, and returns them by the key of the note. */
async function sendNotes(cluster: Cluster, number: number, prefix: string): Promise<ReadonlyMap<string, string>> {
  const keys = Array.from({ length: number }, (_, index) => `${prefix}-${Date.now()}-${index}`);
  const tasks = new Map<string, string>();
  for (const key of keys) tasks.set(key, await send(cluster, 'main.note', ['a fault', key]));
  return tasks;
}

/** Faults while tasks, writes or telemetry are under way. */
export const faults: readonly Proof[] = [
  {
    name: "a worker's pool processes killed during a task: the task runs again and succeeds",
    async run(cluster) {
      const task = await startSlowTask(cluster, 12);
      // The pool's processes are the children of process 1.
      const killChildren =
        'for stat in /proc/[0-9]*/stat; do read -r pid name state parent rest <$stat; [ "$parent" = 1 ] && kill -9 $pid; done; true';
      await cluster.exec(await workerPod(cluster), ['sh', '-c', killChildren]);
      await result(cluster, task, 90);
      return 'it succeeded';
    },
  },
  {
    name: 'a worker pod deleted during a task: the task succeeds, there or on another worker',
    async run(cluster) {
      const task = await startSlowTask(cluster, 15);
      await cluster.kubectl.run(['delete', 'pod', await workerPod(cluster)], { seconds: 200 });
      await result(cluster, task, 90);
      await cluster.waitReady();
      return 'it succeeded';
    },
  },
  {
    name: 'Redis killed with tasks in a queue: none is lost',
    onlyWithAll: true,
    async run(cluster) {
      const queue = `fault-${Date.now()}`;
      for (let sent = 0; sent < 10; sent += 1) await send(cluster, 'main.slow', [0], queue);
      // The append-only file is synced every second.
      await pause(1100);
      await cluster.kill('redis-0');
      await cluster.waitReady();
      const length = await redis(cluster, ['LLEN', queue]);
      await redis(cluster, ['DEL', queue]);
      if (length !== '10') throw new Error(`${length} of 10 tasks are left`);
      return '10 of 10 tasks';
    },
  },
  {
    name: 'Tempo down and the collector restarted: every accepted span arrives',
    onlyWithAll: true,
    async run(cluster) {
      await cluster.kubectl.run(['scale', 'deployment/tempo', '--replicas=0']);
      const tasks = await sendNotes(cluster, 3, 'spans');
      const traces: string[] = [];
      for (const task of tasks.values()) traces.push(await traceOf(cluster, task));
      // The app exports spans every five seconds.
      await pause(8000);
      await cluster.kubectl.run(['delete', 'pod', '--selector=app.kubernetes.io/name=otel-collector'], { seconds: 120 });
      await cluster.command('up', ['--force']);
      for (const trace of traces) {
        const found = async () => (await cluster.http('tempo', `/api/traces/${trace}`)).status === 200;
        await eventually(found, 120, `the trace ${trace} is in Tempo`);
      }
      return `${traces.length} of ${traces.length} traces`;
    },
  },
  {
    name: 'Prometheus down while Tempo sends span metrics: they arrive once it is back',
    onlyWithAll: true,
    async run(cluster) {
      const calls = async () => {
        const query = encodeURIComponent('sum(traces_spanmetrics_calls_total)');
        const { text } = await cluster.http('prometheus', `/api/v1/query?query=${query}`);
        return Number(JSON.parse(text).data.result[0]?.value[1] ?? 0);
      };
      const before = await eventually(async () => (await calls()) || false, 90, 'there are span metrics');
      await cluster.kubectl.run(['scale', 'statefulset/prometheus', '--replicas=0']);
      const tasks = await sendNotes(cluster, 2, 'metrics');
      for (const task of tasks.values()) await result(cluster, task);
      await cluster.command('up', ['--force']);
      await eventually(async () => (await calls()) > before, 120, 'the calls of that time are counted');
      return 'the calls of that time are counted';
    },
  },
  {
    name: 'Consul killed: keys and ACLs survive',
    onlyWithAll: true,
    async run(cluster) {
      const path = '/v1/kv/app/fault';
      const headers = { 'x-consul-token': await cluster.secret('consul', 'app-token') };
      await cluster.http('consul', path, { method: 'PUT', body: 'kept', headers });
      await cluster.kill('consul-0');
      await cluster.waitReady();
      await eventually(async () => (await cluster.http('consul', `${path}?raw`, { headers })).text === 'kept', 60, 'the key is there');
      if ((await cluster.http('consul', path)).status !== 403) throw new Error('Consul answers without a token');
      return 'the key is there, and a token is required';
    },
  },
  {
    name: 'ArangoDB killed during writes: every acknowledged note survives',
    onlyWithAll: true,
    async run(cluster) {
      const killing = pause(4000).then(() => cluster.kill('arangodb-0'));
      const [tasks] = await Promise.all([sendNotes(cluster, 8, 'written'), killing]);
      for (const task of tasks.values()) await result(cluster, task, 180);
      for (const key of tasks.keys()) {
        const { status } = await noteInArangoDB(cluster, key);
        if (status !== 200) throw new Error(`the note ${key} was acknowledged, and ArangoDB answers ${status}`);
      }
      return `${tasks.size} of ${tasks.size} notes`;
    },
  },
];
