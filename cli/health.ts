import type { Manifest } from '../lib/render.ts';
import type { Kubectl } from './kubectl.ts';

/** How to find out whether a service does its work, not only that it runs. */
export interface HealthCheck {
  /** The name of the component, each of whose workloads is asked. */
  readonly component: string;
  readonly port: number;
  /** Asks at `http://127.0.0.1:PORT`, and says what it learned in a few words. Throws a sentence when it is not well. */
  readonly run: (get: Get) => Promise<string>;
}

/** The text at a path. Throws when the status is not 200. */
type Get = (path: string) => Promise<string>;

/** One health check for every service that has a port. */
export const healthChecks: readonly HealthCheck[] = [
  {
    component: 'arangodb',
    port: 8529,
    run: async (get) => `serves in mode ${JSON.parse(await get('/_admin/server/availability')).mode ?? 'default'}`,
  },
  { component: 'redis', port: 9121, run: redis },
  { component: 'redis-cache', port: 9121, run: redis },
  {
    component: 'consul',
    port: 8500,
    async run(get) {
      const leader: string = JSON.parse(await get('/v1/status/leader'));
      const peers: string[] = JSON.parse(await get('/v1/status/peers'));
      if (!leader) throw new Error('it has no leader');
      return `leader ${leader}, ${peers.length} of its servers know each other`;
    },
  },
  { component: 'tempo', port: 3200, run: async (get) => (await get('/ready')).trim() },
  { component: 'loki', port: 3100, run: async (get) => (await get('/ready')).trim() },
  {
    component: 'prometheus',
    port: 9090,
    async run(get) {
      const targets: readonly { labels: { job: string }; health: string; lastError: string }[] = JSON.parse(
        await get('/api/v1/targets?state=active'),
      ).data.activeTargets;
      const down = targets.filter(({ health }) => health === 'down');
      if (down.length > 0)
        throw new Error(`${down.length} of ${targets.length} targets are down: ${down.map(({ labels }) => labels.job).join(', ')}`);
      return `${targets.filter(({ health }) => health === 'up').length} of ${targets.length} targets up`;
    },
  },
  { component: 'otel-collector', port: 13133, run: async (get) => JSON.parse(await get('/')).status },
  {
    component: 'celery-exporter',
    port: 9808,
    // Its /health is 200 for ever once it was connected. For /metrics it asks Redis and the workers, at each scrape anew.
    async run(get) {
      const metrics = await get('/metrics');
      const values = (name: string) =>
        [...metrics.matchAll(new RegExp(`^${name}\\{[^}]*\\} ([\\d.]+)`, 'gm'))].map(([, value]) => Number(value));
      const heard = values('celery_worker_up').filter((up) => up === 1).length;
      if (values('celery_queue_length').length === 0) throw new Error('it does not see the queues: its own log says why');
      if (!values('celery_active_worker_count').some((workers) => workers > 0)) throw new Error('no Celery worker answers it');
      if (heard === 0) throw new Error('Celery workers answer it, and it hears no event of theirs');
      return `hears ${heard} Celery worker${heard === 1 ? '' : 's'}`;
    },
  },
  {
    component: 'grafana',
    port: 3000,
    async run(get) {
      const { database } = JSON.parse(await get('/api/health'));
      if (database !== 'ok') throw new Error(`its database is ${database}`);
      return 'its database is ok';
    },
  },
];

async function redis(get: Get): Promise<string> {
  const metrics = await get('/metrics');
  if (!/^redis_up 1$/m.test(metrics)) throw new Error('the exporter beside it cannot log in');
  const [, clients = '?'] = /^redis_connected_clients (\d+)/m.exec(metrics) ?? [];
  return `answers, ${clients} clients`;
}

/** The health check of each workload that has one, and where it is run, as `deployment/NAME`. */
export function checksOf(
  workloads: readonly Manifest[],
): readonly { readonly name: string; readonly target: string; readonly check: HealthCheck }[] {
  return workloads.flatMap(({ kind, metadata }) => {
    const check = healthChecks.find(({ component }) => component === metadata.labels?.['app.kubernetes.io/name']);
    return check ? [{ name: metadata.name, target: `${kind.toLowerCase()}/${metadata.name}`, check }] : [];
  });
}

/** What a service answered: `well` with a few words, or not well and why. */
export interface Health {
  readonly well: boolean;
  readonly words: string;
}

/** Seconds that one request may take: celery-exporter asks the workers twice, and waits a second each time for another answer. */
const REQUEST_TIMEOUT = 6;

/** Runs one health check in a pod of `target`. */
export async function healthOf({ port, run }: HealthCheck, target: string, kubectl: Kubectl): Promise<Health> {
  try {
    const words = await kubectl.forward(target, port, (address) => run((path) => get(`http://${address}${path}`)));
    return { well: true, words };
  } catch (error) {
    return { well: false, words: (error as Error).message };
  }
}

async function get(url: string): Promise<string> {
  const { pathname } = new URL(url);
  const answer = await fetch(url, { signal: AbortSignal.timeout(REQUEST_TIMEOUT * 1000) }).catch(() => {
    throw new Error(`GET ${pathname} has no answer`);
  });
  if (!answer.ok) throw new Error(`GET ${pathname} answers ${answer.status}`);
  return answer.text();
}
