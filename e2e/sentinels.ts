import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { noteInArangoDB, redis, send, traceOf } from './app.ts';
import { basicAuth, type Cluster, eventually } from './cluster.ts';

/** A value in each store. */
interface Sentinel {
  readonly key: string;
  readonly trace: string;
  /** A queue that no worker consumes, with one task in it. */
  readonly queue: string;
  /** Seconds since 1970 at which Prometheus had a sample. */
  readonly time: number;
  readonly dashboard: string | undefined;
}

const KV = '/v1/kv/app/e2e';

/** Values written to every store that keeps data, to be read again after a fault. */
export class Sentinels {
  private sentinel?: Sentinel;

  /** Writes new values, waits until each can be read, and returns the names of the stores. */
  async write(cluster: Cluster): Promise<string> {
    const key = randomUUID();
    const trace = await traceOf(cluster, await send(cluster, 'main.note', ['a sentinel', key]));
    const queue = `kept-${key.slice(0, 8)}`;
    await send(cluster, 'main.slow', [0], queue);
    const consul = await cluster.http('consul', KV, { method: 'PUT', body: key, headers: await consulToken(cluster) });
    if (consul.status !== 200) throw new Error(`Consul answers ${consul.status} to a write`);
    const sentinel = { key, trace, queue, time: Date.now() / 1000, dashboard: await writeDashboard(cluster, key) };
    await eventually(async () => (await missing(cluster, sentinel)).length === 0, 90, 'every sentinel can be read');
    this.sentinel = sentinel;
    return `ArangoDB, Redis, Consul, Tempo, Loki, Prometheus${sentinel.dashboard ? ', Grafana' : '; the stand-in for Grafana keeps no dashboards'}`;
  }

  /** Throws when a value cannot be read within a minute: stores that have just started may still be replaying their logs. */
  async assertKept(cluster: Cluster): Promise<void> {
    if (!this.sentinel) throw new Error('no sentinel was written');
    let lost: readonly string[] = [];
    for (const end = performance.now() + 60_000; performance.now() < end; await pause(2000)) {
      lost = await missing(cluster, this.sentinel).catch((error: Error) => [error.message]);
      if (lost.length === 0) return;
    }
    throw new Error(`lost: ${lost.join(', ')}`);
  }
}

/** The values that cannot be read. */
async function missing(cluster: Cluster, { key, trace, queue, time, dashboard }: Sentinel): Promise<readonly string[]> {
  const seconds = (offset: number) => `${Math.round(time + offset)}000000000`;
  const query = `{service_name="${cluster.profile.settings.app.name}"} | trace_id="${trace}"`;
  const lines = new URLSearchParams({ query, start: seconds(-300), end: seconds(60), limit: '1000' });
  const [arangodb, kv, acl, tempo, loki, prometheus, grafana, queued] = await Promise.all([
    noteInArangoDB(cluster, key),
    cluster.http('consul', `${KV}?raw`, { headers: await consulToken(cluster) }),
    cluster.http('consul', KV),
    cluster.http('tempo', `/api/traces/${trace}`),
    cluster.http('loki', `/loki/api/v1/query_range?${lines}`),
    cluster.http('prometheus', `/api/v1/query?query=${encodeURIComponent('up{job="redis"}')}&time=${time}`),
    dashboard ? cluster.http('grafana', `/api/dashboards/uid/${dashboard}`, { headers: await grafanaLogin(cluster) }) : undefined,
    redis(cluster, ['LLEN', queue]),
  ]);
  const readable: Readonly<Record<string, boolean>> = {
    'the document in ArangoDB': arangodb.status === 200,
    'the key in Consul': kv.text === key,
    "Consul's ACLs": acl.status === 403,
    'the queued task': queued === '1',
    'the trace in Tempo': tempo.status === 200,
    // The app logs the key of each note.
    'the log line in Loki': loki.text.includes(key),
    'the series in Prometheus': /"result":\[\{/.test(prometheus.text),
    'the dashboard in Grafana': grafana === undefined || grafana.status === 200,
  };
  return Object.keys(readable).filter((what) => !readable[what]);
}

const consulToken = async (cluster: Cluster) => ({ 'x-consul-token': await cluster.secret('consul', 'app-token') });
const grafanaLogin = async (cluster: Cluster) => basicAuth('admin', await cluster.secret('grafana', 'admin-password'));

/** @returns the dashboard's uid; undefined when a stand-in answered, which keeps no dashboards */
async function writeDashboard(cluster: Cluster, uid: string): Promise<string | undefined> {
  const body = JSON.stringify({ dashboard: { uid, title: `kept ${uid}`, panels: [] }, overwrite: true });
  const headers = { ...(await grafanaLogin(cluster)), 'content-type': 'application/json' };
  const { status, standin, text } = await cluster.http('grafana', '/api/dashboards/db', { method: 'POST', body, headers });
  if (status === 200) return uid;
  if (standin) return undefined;
  throw new Error(`Grafana answers ${status} to a dashboard: ${text.slice(0, 200)}`);
}
