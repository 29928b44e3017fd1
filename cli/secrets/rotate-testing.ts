import { expect } from 'vitest';
import { UserError } from '../user-error.ts';
import { rotate } from './rotate.ts';
import { dev, FakeCluster, type FakeRequest, serve } from './testing.ts';

/** The values before a rotation. */
export const OLD = {
  arangodb: { 'root-password': 'old-root-value', password: 'old-app-value', 'metrics-password': 'old-metrics-value' },
  redis: { password: 'old-redis-value' },
  'redis-cache': { password: 'old-cache-value' },
  consul: {
    'gossip-key': 'old-gossip-value',
    'management-token': 'old-management-value',
    'agent-token': 'old-agent-value',
    'app-token': 'old-app-token-value',
    'metrics-token': 'old-metrics-token-value',
  },
  grafana: { 'admin-password': 'old-admin-value', 'secret-key': 'old-key-value' },
  'object-storage': { 'access-key': 'old-access-value', 'secret-key': 'old-hidden-value' },
};

const servers: (() => void)[] = [];

/** Stops the services. Fails when a secret value was printed. Each test file registers it with `afterEach`. */
export function endRotation(): void {
  for (const end of servers.splice(0)) end();
  expect(lines.splice(0).join()).not.toContain('-value');
}

/** A cluster in which dev runs. */
export function cluster(): FakeCluster {
  const made = new FakeCluster(structuredClone(OLD));
  const names = ['statefulset/redis', 'statefulset/consul', 'statefulset/prometheus', 'statefulset/arangodb', 'deployment/grafana'];
  made.workloads.push(...names, 'deployment/celery-worker-default', 'deployment/celery-beat', 'deployment/celery-exporter');
  return made;
}

/** Serves a Service until the test has ended. */
export async function withService(made: FakeCluster, service: string, respond: Parameters<typeof serve>[2]): Promise<void> {
  servers.push(await serve(made, service, respond));
}

/** The printed lines. */
export const lines: string[] = [];
/** Rotates a key of this path without confirmation. */
export const run = (made: FakeCluster, path: string, given: Record<string, string> = {}, profile = dev) =>
  rotate(made, profile, path, { given: new Map(Object.entries(given)), yes: true, log: (line) => lines.push(line) });

/** The error message of a rotation, without any secret value. */
export async function errorOf(made: FakeCluster, path: string, given: Record<string, string> = {}): Promise<string> {
  const error = await run(made, path, given).then(
    () => new Error('it succeeded'),
    (thrown: Error) => thrown,
  );
  expect(error).toBeInstanceOf(UserError);
  const now = Object.values(made.secrets).flatMap((keys) => Object.values(keys));
  for (const value of [...Object.values(OLD).flatMap((keys) => Object.values(keys)), ...now]) expect(error.message).not.toContain(value);
  return error.message;
}

/** A service with one user, whose password a request other than GET sets. */
export function account(user: string, login: { password: string }, set: (request: FakeRequest) => string | undefined) {
  return (request: FakeRequest) => {
    if (request.login !== `${user}:${login.password}`) return { status: 401 };
    if (!request.request.startsWith('GET')) login.password = set(request) ?? '';
    return { status: 200 };
  };
}

/** The workloads of the app. */
export const READERS = 'deployment/celery-worker-default deployment/celery-beat';

/** The calls that wait for these workloads. */
export const waits = (...names: readonly string[]) => names.map((name) => `rollout status ${name}`);
