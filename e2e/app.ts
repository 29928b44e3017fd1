import type { Cluster } from './cluster.ts';
import { eventually } from './cluster.ts';

const CELERY = ['celery', '--app=main.celery'];
const WORKER = 'deployment/celery-worker-default';

/** Sends a task of the reference app; its id. */
export async function send(cluster: Cluster, task: string, args: readonly unknown[], queue?: string): Promise<string> {
  const said = await cluster.exec(WORKER, [
    ...CELERY,
    'call',
    task,
    `--args=${JSON.stringify(args)}`,
    ...(queue ? [`--queue=${queue}`] : []),
  ]);
  return said.split('\n').at(-1) ?? '';
}

/** The result of a task, as JSON. Throws when it does not come in that time. */
export async function result<Value>(cluster: Cluster, task: string, seconds = 60): Promise<Value> {
  let value: Value | undefined;
  await eventually(
    async () => {
      const kept = await redis(cluster, ['-n', '1', 'GET', `celery-task-meta-${task}`]);
      if (!kept) return false;
      const { status, result } = JSON.parse(kept);
      if (status === 'SUCCESS') value = result;
      return status === 'SUCCESS';
    },
    seconds,
    `the task ${task} has succeeded`,
  );
  return value as Value;
}

/** A command to the broker, with the password of its pod. */
export function redis(cluster: Cluster, command: readonly string[]): Promise<string> {
  const login = 'REDISCLI_AUTH="$(cat /run/secrets/redis/password)" exec redis-cli "$@"';
  return cluster.exec('redis-0', ['sh', '-c', login, 'redis-cli', ...command], 'redis');
}
