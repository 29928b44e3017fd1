import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { podOf } from '../lib/render.ts';
import { workloadsOf } from './cluster.ts';
import { checksOf, type HealthCheck, healthChecks, healthOf } from './health.ts';
import type { Kubectl } from './kubectl.ts';
import { profileOf } from './profile.ts';

/** Runs the health check of a component against these responses, by path. */
function check(component: string, responses: Readonly<Record<string, string>>) {
  const healthCheck = healthChecks.find((each) => each.component === component);
  return healthCheck?.run(async (path) => responses[path] ?? Promise.reject(new Error(`GET ${path} returned 404`)));
}

test('Consul is healthy with a leader', async () => {
  expect(await check('consul', { '/v1/status/leader': '"10.0.0.1:8300"', '/v1/status/peers': '["10.0.0.1:8300"]' })).toMatch(/^leader 10/);
  await expect(check('consul', { '/v1/status/leader': '""', '/v1/status/peers': '[]' })).rejects.toThrow('no leader');
});

test('Redis is healthy when its exporter can log in', async () => {
  expect(await check('redis', { '/metrics': 'redis_up 1\nredis_connected_clients 7\n' })).toBe('7 clients');
  await expect(check('redis', { '/metrics': 'redis_up 0\n' })).rejects.toThrow('cannot log in');
});

test('Prometheus names the targets that are down', async () => {
  const target = (job: string, health: string) => ({ labels: { job }, health });
  const answer = (...activeTargets: object[]) => ({ '/api/v1/targets?state=active': JSON.stringify({ data: { activeTargets } }) });
  expect(await check('prometheus', answer(target('redis', 'up'), target('loki', 'unknown')))).toBe('1 of 2 targets up');
  await expect(check('prometheus', answer(target('redis', 'up'), target('loki', 'down')))).rejects.toThrow('1 of 2 targets are down: loki');
});

test('Celery is healthy when its exporter reports queues, workers that respond and their events', async () => {
  const metrics = (up: string, workers: string, queue = 'celery_queue_length{queue_name="celery"} 0.0\n') => ({
    '/health': 'Connected to the broker',
    '/metrics': `${queue}celery_active_worker_count{queue_name="celery"} ${workers}\ncelery_worker_up{hostname="a"} ${up}\ncelery_worker_up{hostname="b"} 0.0\n`,
  });
  expect(await check('celery-exporter', metrics('1.0', '1.0'))).toBe('events from 1 Celery worker');
  await expect(check('celery-exporter', metrics('1.0', '1.0', ''))).rejects.toThrow('it reports no queue');
  await expect(check('celery-exporter', metrics('1.0', '0.0'))).rejects.toThrow('no Celery worker responds to it');
  await expect(check('celery-exporter', metrics('0.0', '1.0'))).rejects.toThrow('it receives no events from them');
  await expect(check('celery-exporter', { '/health': 'Connected to the broker' })).rejects.toThrow('GET /metrics returned 404');
});

test('a response may take as long as that of celery-exporter', async () => {
  const server = createServer((_, response) => setTimeout(() => response.end('ready'), 2500)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const kubectl = {
    forward: (_: string, __: string, use: (address: string) => unknown) => use(`127.0.0.1:${(server.address() as AddressInfo).port}`),
  };
  const tempo = healthChecks.find(({ component }) => component === 'tempo') as HealthCheck;
  expect(await healthOf(tempo, 'deployment/tempo', kubectl as unknown as Kubectl)).toEqual({ healthy: true, message: 'ready' });
  server.close();
}, 10_000);

test('Grafana is healthy when its database is', async () => {
  expect(await check('grafana', { '/api/health': '{"database":"ok"}' })).toBe('database ok');
  await expect(check('grafana', { '/api/health': '{"database":"failing"}' })).rejects.toThrow('database failing');
});

test('an error response is passed on', async () => {
  await expect(check('tempo', {})).rejects.toThrow('GET /ready returned 404');
});

test('each collector is checked itself, instead of any pod of the Service', () => {
  const targets = checksOf(workloadsOf(profileOf('prod'))).map(({ target }) => target);
  expect(targets.filter((target) => target.includes('otel-collector'))).toEqual([
    'deployment/otel-collector-0',
    'deployment/otel-collector-1',
  ]);
  expect(targets).toContain('statefulset/redis-cache');
});

test('every check names a port of its component', () => {
  const workloads = workloadsOf(profileOf('prod'));
  for (const { component, port = component } of healthChecks) {
    const pods = workloads.filter(({ metadata }) => metadata.labels?.['app.kubernetes.io/name'] === component).map(podOf);
    const names = pods.flatMap((pod) => pod?.containers ?? []).flatMap(({ ports = [] }) => ports.map(({ name }) => name));
    expect(names, component).toContain(port);
  }
});
