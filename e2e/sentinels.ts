import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { redis, result, send } from './app.ts';
import { type Cluster, eventually } from './cluster.ts';

/** Something written into each store, to be looked for later. */
export interface Sentinels {
  readonly key: string;
  readonly trace: string;
  /** A queue that no worker takes from, with one task in it. */
  readonly queue: string;
  /** Seconds since 1970: when Prometheus had a sample. */
  readonly time: number;
  readonly dashboard: string | undefined;
}

const KV = '/v1/kv/app/e2e';

/** Writes a sentinel into every store that keeps data. */
export async function write(cluster: Cluster): Promise<Sentinels> {
  const key = randomUUID();
  const task = await send(cluster, 'main.note', ['kept by the proofs', key]);
  const { trace } = await result<{ trace: string }>(cluster, task);
  const queue = `kept-${key.slice(0, 8)}`;
  await send(cluster, 'main.slow', [0], queue);
  const consul = await cluster.http('consul', 8500, KV, { method: 'PUT', body: key, headers: await consulToken(cluster) });
  if (consul.status !== 200) throw new Error(`Consul answers ${consul.status} to a write`);
  const time = Date.now() / 1000;
  const dashboard = await writeDashboard(cluster, key);
  const sentinels = { key, trace, queue, time, dashboard };
  // What is written is looked for at once: a sentinel that never was proves nothing later.
  await eventually(async () => (await missing(cluster, sentinels)).length === 0, 90, 'every sentinel is found where it was written');
  return sentinels;
}

/** Says which sentinels are not there any more. */
async function missing(cluster: Cluster, sentinels: Sentinels): Promise<readonly string[]> {
  const { key, trace, queue, time, dashboard } = sentinels;
  const { database, username } = cluster.profile.settings.arangodb;
  const [arangodb, kv, acl, tempo, loki, prometheus, grafana] = await Promise.all([
    cluster.http('arangodb', 8529, `/_db/${database}/_api/document/notes/${key}`, {
      headers: basic(username, await cluster.secret('arangodb', 'password')),
    }),
    cluster.http('consul', 8500, `${KV}?raw`, { headers: await consulToken(cluster) }),
    cluster.http('consul', 8500, KV),
    cluster.http('tempo', 3200, `/api/traces/${trace}`),
    cluster.http('loki', 3100, `/loki/api/v1/query_range?${lokiQuery(cluster, sentinels)}`),
    cluster.http('prometheus', 9090, `/api/v1/query?query=${encodeURIComponent('up{job="redis"}')}&time=${time}`),
    dashboard ? cluster.http('grafana', 3000, `/api/dashboards/uid/${dashboard}`, { headers: await grafanaLogin(cluster) }) : undefined,
  ]);
  const queued = await redis(cluster, ['LLEN', queue]);
  const lost: readonly [string, boolean][] = [
    ['the document in ArangoDB', arangodb.status !== 200],
    ['the key in Consul', kv.text !== key],
    ["Consul's ACLs", acl.status !== 403],
    ['the queued task', queued !== '1'],
    ['the trace in Tempo', tempo.status !== 200],
    ['the log line in Loki', !loki.text.includes('is written')],
    ['the series in Prometheus', !/"result":\[\{/.test(prometheus.text)],
    ['the dashboard in Grafana', grafana !== undefined && grafana.status !== 200],
  ];
  return lost.flatMap(([what, gone]) => (gone ? [what] : []));
}

/** Throws when a sentinel is not found within a minute: stores that start again may still read their logs. */
export async function assertKept(cluster: Cluster, sentinels: Sentinels): Promise<void> {
  let lost: readonly string[] = [];
  for (const end = performance.now() + 60_000; performance.now() < end; await pause(2000)) {
    lost = await missing(cluster, sentinels).catch((error: Error) => [error.message]);
    if (lost.length === 0) return;
  }
  throw new Error(`lost: ${lost.join(', ')}`);
}

const basic = (user: string, password: string) => ({ authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` });
const consulToken = async (cluster: Cluster) => ({ 'x-consul-token': await cluster.secret('consul', 'app-token') });
const grafanaLogin = async (cluster: Cluster) => basic('admin', await cluster.secret('grafana', 'admin-password'));

function lokiQuery({ profile }: Cluster, { trace, time }: Sentinels): URLSearchParams {
  const nanoseconds = (seconds: number) => `${Math.round(seconds)}000000000`;
  const query = `{service_name="${profile.settings.app.name}"} | trace_id="${trace}"`;
  return new URLSearchParams({ query, start: nanoseconds(time - 300), end: nanoseconds(time + 60), limit: '1000' });
}

/** @default undefined - a stand-in keeps no dashboards */
async function writeDashboard(cluster: Cluster, uid: string): Promise<string | undefined> {
  const body = JSON.stringify({ dashboard: { uid, title: `kept ${uid}`, panels: [] }, overwrite: true });
  const headers = { ...(await grafanaLogin(cluster)), 'content-type': 'application/json' };
  const { status, standin, text } = await cluster.http('grafana', 3000, '/api/dashboards/db', { method: 'POST', body, headers });
  if (status === 200) return uid;
  if (standin) return undefined;
  throw new Error(`Grafana answers ${status} to a dashboard: ${text.slice(0, 200)}`);
}
