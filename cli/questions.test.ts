import { expect, test } from 'vitest';
import { questions } from './questions.ts';

/** What the service says to these answers. */
function asked(workload: string, answers: Readonly<Record<string, string>>) {
  const question = questions.find((each) => each.workload === workload);
  return question?.ask(async (path) => answers[path] ?? Promise.reject(new Error(`GET ${path} answers 404`)));
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

test('Celery is well with at least one worker', async () => {
  expect(await asked('celery-exporter', { '/metrics': 'celery_worker_up{hostname="a"} 1.0\ncelery_worker_up{hostname="b"} 0.0\n' })).toBe(
    'hears 1 Celery worker',
  );
  await expect(asked('celery-exporter', { '/metrics': 'celery_worker_up{hostname="a"} 0.0\n' })).rejects.toThrow('no Celery worker');
});

test('Grafana is well when its database is', async () => {
  expect(await asked('grafana', { '/api/health': '{"database":"ok"}' })).toBe('its database is ok');
  await expect(asked('grafana', { '/api/health': '{"database":"failing"}' })).rejects.toThrow('its database is failing');
});

test('what a service does not answer is passed on', async () => {
  await expect(asked('tempo', {})).rejects.toThrow('GET /ready answers 404');
});
