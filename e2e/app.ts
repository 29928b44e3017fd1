import { podOf } from '../lib/render.ts';
import { basicAuth, type Cluster, eventually } from './cluster.ts';

export const WORKER = 'celery-worker-default';

/** Sends a task of the reference app and returns its id. */
export async function send(cluster: Cluster, task: string, args: readonly unknown[], queue?: string): Promise<string> {
  const command = ['celery', '--app=main.celery', 'call', task, `--args=${JSON.stringify(args)}`, ...(queue ? [`--queue=${queue}`] : [])];
  const output = await cluster.exec(`deployment/${WORKER}`, command);
  return output.split('\n').at(-1) ?? '';
}

/** Waits for a task to succeed and returns its result. */
export async function result<Value>(cluster: Cluster, task: string, timeout = 60): Promise<Value> {
  const command = ['-n', resultDatabase(cluster), 'GET', `celery-task-meta-${task}`];
  const { result } = await eventually(
    async () => {
      const { status, result } = JSON.parse(await redis(cluster, command));
      return status === 'SUCCESS' && { result };
    },
    timeout,
    `the task ${task} succeeds`,
  );
  return result;
}

/** The trace of a task that wrote a note. */
export const traceOf = async (cluster: Cluster, task: string) => (await result<{ trace: string }>(cluster, task)).trace;

/** The index of the Redis database that holds results. */
function resultDatabase({ profile }: Cluster): string {
  const worker = profile.objects.find(({ kind, metadata }) => kind === 'Deployment' && metadata.name === WORKER);
  const url = worker && podOf(worker)?.containers[0]?.env?.find(({ name }) => name === 'CELERY_RESULT_BACKEND')?.value;
  const [index] = /\d+$/.exec(url ?? '') ?? [];
  if (!index) throw new Error(`${WORKER} has no CELERY_RESULT_BACKEND with a database`);
  return index;
}

/** Runs a command in the broker, with the password that is mounted into its pod. */
export function redis(cluster: Cluster, command: readonly string[]): Promise<string> {
  const login = 'REDISCLI_AUTH="$(cat /run/secrets/redis/password)" exec redis-cli "$@"';
  return cluster.exec('redis-0', ['sh', '-c', login, 'redis-cli', ...command], 'redis');
}

/** ArangoDB's response for a note of the reference app. */
export async function noteInArangoDB(cluster: Cluster, key: string) {
  const { database, username } = cluster.profile.settings.arangodb;
  const headers = basicAuth(username, await cluster.secret('arangodb', 'password'));
  return cluster.http('arangodb', `/_db/${database}/_api/document/notes/${key}`, { headers });
}
