import type { Manifest } from '../lib/render.ts';
import type { Kubectl } from './kubectl.ts';
import { TIMEOUTS } from './timeouts.ts';

/** A request that shows whether a service works, rather than only runs. */
export interface HealthCheck {
  /** The name of the component. The check runs against each of its workloads. */
  readonly component: string;
  /** The name of the container port. @default - the name of the component */
  readonly port?: string;
  /** Returns a few words about the service. Throws an error that says why the service is unhealthy. */
  readonly run: (get: Get) => Promise<string>;
}

/** Returns the body at a path. Throws when the status is not 200. */
type Get = (path: string) => Promise<string>;

/** The health check of every service that listens on a port. */
export const healthChecks: readonly HealthCheck[] = [
  { component: 'arangodb', run: async (get) => `mode ${JSON.parse(await get('/_admin/server/availability')).mode ?? 'default'}` },
  { component: 'redis', port: 'metrics', run: redis },
  { component: 'redis-cache', port: 'metrics', run: redis },
  {
    component: 'consul',
    async run(get) {
      const leader: string = JSON.parse(await get('/v1/status/leader'));
      const peers: string[] = JSON.parse(await get('/v1/status/peers'));
      if (!leader) throw new Error('no leader');
      return `leader ${leader}, ${peers.length} server${peers.length === 1 ? '' : 's'}`;
    },
  },
  { component: 'tempo', run: async (get) => (await get('/ready')).trim() },
  { component: 'loki', run: async (get) => (await get('/ready')).trim() },
  {
    component: 'prometheus',
    async run(get) {
      const targets: readonly { labels: { job: string }; health: string }[] = JSON.parse(await get('/api/v1/targets?state=active')).data
        .activeTargets;
      const down = targets.filter(({ health }) => health === 'down').map(({ labels }) => labels.job);
      if (down.length > 0) throw new Error(`${down.length} of ${targets.length} targets are down: ${down.join(', ')}`);
      return `${targets.filter(({ health }) => health === 'up').length} of ${targets.length} targets up`;
    },
  },
  { component: 'otel-collector', port: 'health', run: async (get) => JSON.parse(await get('/')).status },
  {
    component: 'celery-exporter',
    port: 'metrics',
    // Its /health stays 200 once it has connected; each scrape of /metrics queries Redis and the workers.
    async run(get) {
      const metrics = await get('/metrics');
      const values = (name: string) =>
        [...metrics.matchAll(new RegExp(`^${name}\\{[^}]*\\} ([\\d.]+)`, 'gm'))].map(([, value]) => Number(value));
      const up = values('celery_worker_up').filter((value) => value === 1).length;
      if (values('celery_queue_length').length === 0) throw new Error('it reports no queue: see its log');
      if (!values('celery_active_worker_count').some((workers) => workers > 0)) throw new Error('no Celery worker responds to it');
      if (up === 0) throw new Error('Celery workers respond to it, but it receives no events from them');
      return `events from ${up} Celery worker${up === 1 ? '' : 's'}`;
    },
  },
  {
    component: 'grafana',
    async run(get) {
      const { database } = JSON.parse(await get('/api/health'));
      if (database !== 'ok') throw new Error(`database ${database}`);
      return 'database ok';
    },
  },
];

async function redis(get: Get): Promise<string> {
  const metrics = await get('/metrics');
  if (!/^redis_up 1$/m.test(metrics)) throw new Error('its exporter cannot log in to it');
  const [, clients = '?'] = /^redis_connected_clients (\d+)/m.exec(metrics) ?? [];
  return `${clients} clients`;
}

/** The health check of each workload that has one, and the workload as `deployment/NAME`. */
export function checksOf(
  workloads: readonly Manifest[],
): readonly { readonly name: string; readonly target: string; readonly check: HealthCheck }[] {
  return workloads.flatMap(({ kind, metadata }) => {
    const check = healthChecks.find(({ component }) => component === metadata.labels?.['app.kubernetes.io/name']);
    return check ? [{ name: metadata.name, target: `${kind.toLowerCase()}/${metadata.name}`, check }] : [];
  });
}

/** The result of a health check. */
export interface Health {
  readonly healthy: boolean;
  readonly message: string;
}

/** Runs a health check against a pod of `target`. */
export async function healthOf({ component, port = component, run }: HealthCheck, target: string, kubectl: Kubectl): Promise<Health> {
  try {
    const message = await kubectl.forward(target, port, (address) => run((path) => get(`http://${address}${path}`)));
    return { healthy: true, message };
  } catch (error) {
    return { healthy: false, message: (error as Error).message };
  }
}

async function get(url: string): Promise<string> {
  const { pathname } = new URL(url);
  const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUTS.health * 1000) }).catch(() => {
    throw new Error(`GET ${pathname} got no response`);
  });
  if (!response.ok) throw new Error(`GET ${pathname} returned ${response.status}`);
  return response.text();
}
