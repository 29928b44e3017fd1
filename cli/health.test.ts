import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { workloadsOf } from './cluster.ts';
import { checksOf, type HealthCheck, healthChecks, healthOf } from './health.ts';
import type { Kubectl } from './kubectl.ts';
import { profileOf } from './profile.ts';

/** What the service says to these answers. */
function asked(component: string, answers: Readonly<Record<string, string>>) {
  const healthCheck = healthChecks.find((each) => each.component === component);
  return healthCheck?.run(async (path) => answers[path] ?? Promise.reject(new Error(`GET ${path} answers 404`)));
}

test('Consul is well with a leader', async () => {
  expect(await asked('consul', { '/v1/status/leader': '"10.0.0.1:8300"', '/v1/status/peers': '["10.0.0.1:8300"]' })).toMatch(/^leader 10/);
  await expect(asked('consul', { '/v1/status/leader': '""', '/v1/status/peers': '[]' })).rejects.toThrow('it has no leader');
});

test('Redis is well when the exporter can log in', async () => {
  expect(await asked('redis', { '/metrics': 'redis_up 1\nredis_connected_clients 7\n' })).toBe('answers, 7 clients');
  await expect(asked('redis', { '/metrics': 'redis_up 0\n' })).rejects.toThrow('cannot log in');
});

test('Prometheus names the targets that are down', async () => {
  const target = (job: string, health: string) => ({ labels: { job }, health });
  const answer = (...activeTargets: object[]) => ({ '/api/v1/targets?state=active': JSON.stringify({ data: { activeTargets } }) });
  expect(await asked('prometheus', answer(target('redis', 'up'), target('loki', 'unknown')))).toBe('1 of 2 targets up');
  await expect(asked('prometheus', answer(target('redis', 'up'), target('loki', 'down')))).rejects.toThrow('1 of 2 targets are down: loki');
});

test('Celery is well when its exporter sees the queues, is answered by workers and hears them', async () => {
  const metrics = (up: string, workers: string, queue = 'celery_queue_length{queue_name="celery"} 0.0\n') => ({
    '/health': 'Connected to the broker',
    '/metrics': `${queue}celery_active_worker_count{queue_name="celery"} ${workers}\ncelery_worker_up{hostname="a"} ${up}\ncelery_worker_up{hostname="b"} 0.0\n`,
  });
  expect(await asked('celery-exporter', metrics('1.0', '1.0'))).toBe('hears 1 Celery worker');
  await expect(asked('celery-exporter', metrics('1.0', '1.0', ''))).rejects.toThrow('it does not see the queues');
  await expect(asked('celery-exporter', metrics('1.0', '0.0'))).rejects.toThrow('no Celery worker answers it');
  await expect(asked('celery-exporter', metrics('0.0', '1.0'))).rejects.toThrow('it hears no event of theirs');
  await expect(asked('celery-exporter', { '/health': 'Connected to the broker' })).rejects.toThrow('GET /metrics answers 404');
});

test('an answer that takes as long as that of the exporter of Celery is waited for', async () => {
  const server = createServer((_, response) => setTimeout(() => response.end('ready'), 2500)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const kubectl = {
    forward: (_: string, __: number, use: (address: string) => unknown) => use(`127.0.0.1:${(server.address() as AddressInfo).port}`),
  };
  const tempo = healthChecks.find(({ component }) => component === 'tempo') as HealthCheck;
  expect(await healthOf(tempo, 'deployment/tempo', kubectl as unknown as Kubectl)).toEqual({ well: true, words: 'ready' });
  server.close();
}, 10_000);

test('Grafana is well when its database is', async () => {
  expect(await asked('grafana', { '/api/health': '{"database":"ok"}' })).toBe('its database is ok');
  await expect(asked('grafana', { '/api/health': '{"database":"failing"}' })).rejects.toThrow('its database is failing');
});

test('what a service does not answer is passed on', async () => {
  await expect(asked('tempo', {})).rejects.toThrow('GET /ready answers 404');
});

test('each collector is asked itself, and not whichever the Service leads to', () => {
  const targets = checksOf(workloadsOf(profileOf('prod'))).map(({ target }) => target);
  expect(targets.filter((target) => target.includes('otel-collector'))).toEqual([
    'deployment/otel-collector-0',
    'deployment/otel-collector-1',
  ]);
  expect(targets).toContain('statefulset/redis-cache');
});
