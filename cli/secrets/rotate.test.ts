import { afterEach, describe, expect, test } from 'vitest';
import { UserError } from '../user-error.ts';
import { needed } from './generate.ts';
import { rotate } from './rotate.ts';
import { dev, FakeCluster, type FakeRequest, prod, serve } from './testing.ts';

const OLD = {
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
afterEach(() => {
  for (const end of servers.splice(0)) end();
});

/** A cluster in which dev runs. */
function cluster(): FakeCluster {
  const made = new FakeCluster(structuredClone(OLD));
  const names = ['statefulset/redis', 'statefulset/consul', 'statefulset/prometheus', 'statefulset/arangodb', 'deployment/grafana'];
  made.workloads.push(...names, 'deployment/celery-worker-default', 'deployment/celery-beat', 'deployment/celery-exporter');
  return made;
}

async function withService(made: FakeCluster, service: string, respond: Parameters<typeof serve>[2]): Promise<void> {
  servers.push(await serve(made, service, respond));
}

const lines: string[] = [];
const run = (made: FakeCluster, path: string, given: Record<string, string> = {}, profile = dev) =>
  rotate(made, profile, path, { given: new Map(Object.entries(given)), yes: true, log: (line) => lines.push(line) });

/** The error message of a rotation, without any secret value. */
async function errorOf(made: FakeCluster, path: string, given: Record<string, string> = {}): Promise<string> {
  const error = await run(made, path, given).then(
    () => new Error('it succeeded'),
    (thrown: Error) => thrown,
  );
  expect(error).toBeInstanceOf(UserError);
  const now = Object.values(made.secrets).flatMap((keys) => Object.values(keys));
  for (const value of [...Object.values(OLD).flatMap((keys) => Object.values(keys)), ...now]) expect(error.message).not.toContain(value);
  return error.message;
}

afterEach(() => {
  expect(lines.join()).not.toContain('-value');
  lines.length = 0;
});

/** A service with one user, whose password a request other than GET sets. */
function account(user: string, login: { password: string }, set: (request: FakeRequest) => string | undefined) {
  return (request: FakeRequest) => {
    if (request.login !== `${user}:${login.password}`) return { status: 401 };
    if (!request.request.startsWith('GET')) login.password = set(request) ?? '';
    return { status: 200 };
  };
}

const READERS = 'deployment/celery-worker-default deployment/celery-beat';
const waits = (...names: readonly string[]) => names.map((name) => `rollout status ${name}`);
const job = (name: string) => dev.objects.find(({ kind, metadata }) => kind === 'Job' && metadata.name.startsWith(name))?.metadata.name;
const rerun = (name: string) => [`delete job ${job(name)}`, `apply ${job(name)}`, `wait job/${job(name)}`];

describe('without a request to the service', () => {
  test('Redis restarts first, then its clients', async () => {
    const made = cluster();
    const steps = await run(made, 'redis/password');
    expect(made.calls).toEqual([
      'replace redis',
      'rollout restart statefulset/redis',
      ...waits('statefulset/redis'),
      `rollout restart ${READERS} deployment/celery-exporter`,
      ...waits('deployment/celery-worker-default', 'deployment/celery-beat', 'deployment/celery-exporter'),
    ]);
    expect(made.secrets.redis?.password).toMatch(/^[\w-]{43}$/);
    expect(steps).toEqual([
      'put the new value into the Secret: redis/password',
      'restart redis and wait',
      'restart celery-worker-default, celery-beat, celery-exporter and wait',
    ]);
    expect(lines).toEqual(steps);
  });

  test('the cache restarts first, then the app', async () => {
    const made = new FakeCluster(structuredClone(OLD), 'platform');
    made.workloads.push('statefulset/redis-cache', 'deployment/celery-worker-slow', 'deployment/celery-exporter');
    await run(made, 'redis-cache/password', {}, prod);
    expect(made.calls.filter((call) => !call.includes('status'))).toEqual([
      'replace redis-cache',
      'rollout restart statefulset/redis-cache',
      'rollout restart deployment/celery-worker-slow',
    ]);
  });

  test('without running workloads only the Secret changes', async () => {
    const made = new FakeCluster(structuredClone(OLD));
    await run(made, 'redis/password');
    expect(made.calls).toEqual(['replace redis']);
  });

  test('a Job that reads the key is not restarted', async () => {
    const env = [{ name: 'PASSWORD', valueFrom: { secretKeyRef: { name: 'redis', key: 'password' } } }];
    const work = { apiVersion: 'batch/v1', kind: 'Job', metadata: { name: 'x' }, spec: { template: { spec: { containers: [{ env }] } } } };
    const made = cluster();
    made.workloads.push('job/x');
    await run(made, 'redis/password', {}, { ...dev, objects: [...dev.objects, work] });
    expect(made.calls.filter((call) => call.includes('job/x'))).toEqual([]);
  });

  test('a value from an env file is used', async () => {
    const made = cluster();
    await run(made, 'redis/password', { 'redis/password': 'given-value' });
    expect(made.secrets.redis).toEqual({ password: 'given-value' });
    expect(await errorOf(made, 'redis/password', { 'redis/password': 'given-value' })).toBe(
      'redis/password already has the value of the env file: nothing was changed',
    );
  });

  test.each([
    ['arangodb/password', 'arangodb-bootstrap', READERS],
    ['arangodb/metrics-password', 'arangodb-bootstrap', undefined],
    ['consul/app-token', 'consul-acl', READERS],
    ['consul/agent-token', 'consul-acl', 'statefulset/consul'],
    ['consul/metrics-token', 'consul-acl', undefined],
  ])('%s is set by its Job, and its readers restart', async (path, name, restarted) => {
    const made = cluster();
    await run(made, path);
    expect(made.calls).toEqual([
      `replace ${path.split('/')[0]}`,
      ...rerun(name),
      ...(restarted ? [`rollout restart ${restarted}`, ...waits(...restarted.split(' '))] : []),
    ]);
  });

  test('the keys of the buckets come from the env file, and change together', async () => {
    const made = new FakeCluster(structuredClone(OLD), 'platform');
    made.workloads.push('statefulset/loki', 'deployment/tempo', 'statefulset/tempo');
    await run(made, 'object-storage/access-key', { 'object-storage/access-key': 'a-value', 'object-storage/secret-key': 'b-value' }, prod);
    expect(made.secrets['object-storage']).toEqual({ 'access-key': 'a-value', 'secret-key': 'b-value' });
    expect(made.calls[1]).toMatch(/^rollout restart .*loki/);
    await expect(run(made, 'object-storage/secret-key', {}, prod)).rejects.toThrow(
      'object-storage/secret-key cannot be generated: write S3_SECRET_KEY into an env file, and give it with --from-env FILE',
    );
  });

  test('a step that fails after the Secret has changed names the remaining steps', async () => {
    const made = cluster();
    made.failure = (call) => (call === 'rollout status statefulset/redis' ? new UserError('it takes too long') : undefined);
    expect(await errorOf(made, 'redis/password')).toBe(
      'it takes too long\nthe Secret has the new value of redis/password. Remaining steps: restart redis and wait; restart celery-worker-default, celery-beat, celery-exporter and wait',
    );
  });
});

describe("ArangoDB's root", () => {
  test('is changed in ArangoDB, then in the Secret, and a crash in between does not lose it', async () => {
    const made = cluster();
    const login = { password: 'old-root-value' };
    let kept: string | undefined;
    await withService(
      made,
      'arangodb',
      account('root', login, ({ body }) => {
        kept = made.secrets.arangodb?.['root-password.new'];
        return body.passwd;
      }),
    );
    await run(made, 'arangodb/root-password');
    expect(made.calls).toEqual([
      'replace arangodb',
      'PATCH /_api/user/root',
      'replace arangodb',
      `rollout restart statefulset/arangodb ${READERS}`,
      ...waits('statefulset/arangodb', ...READERS.split(' ')),
    ]);
    expect(login.password).toMatch(/^[\w-]{43}$/);
    expect(kept).toBe(login.password);
    expect(made.secrets.arangodb).toEqual({ ...OLD.arangodb, 'root-password': login.password });
  });

  test('is restored when the Secret cannot be written', async () => {
    const made = cluster();
    const login = { password: 'old-root-value' };
    await withService(
      made,
      'arangodb',
      account('root', login, ({ body }) => body.passwd),
    );
    made.failure = (call) =>
      call === 'replace arangodb' && made.calls.includes('PATCH /_api/user/root') ? new UserError('no more room') : undefined;
    expect(await errorOf(made, 'arangodb/root-password')).toBe(
      'no more room\nthe old value is still valid; fix the cause and run the command again',
    );
    expect(login.password).toBe('old-root-value');
    expect(made.secrets.arangodb?.['root-password']).toBe('old-root-value');
  });

  test('stays in the Secret when it cannot be restored, and the next attempt uses it', async () => {
    const made = cluster();
    const login = { password: 'old-root-value' };
    let down = false;
    const known = account('root', login, ({ body }) => body.passwd);
    await withService(made, 'arangodb', (request) => (down ? undefined : known(request)));
    made.failure = (call) => {
      down = made.calls.includes('PATCH /_api/user/root');
      return down && call === 'replace arangodb' ? new UserError('no more room') : undefined;
    };
    expect(await errorOf(made, 'arangodb/root-password')).toBe(
      'no more room\nthe service may already have the new value, and restoring the old one failed too (arangodb does not respond through the forwarded port: check with npm run status whether it is ready): the Secret keeps both; fix the cause and run the command again',
    );
    expect(made.secrets.arangodb).toEqual({ ...OLD.arangodb, 'root-password.new': login.password });

    down = false;
    made.failure = () => undefined;
    made.calls.length = 0;
    await run(made, 'arangodb/root-password');
    expect(made.calls.slice(0, 3)).toEqual(['PATCH /_api/user/root', 'GET /_api/user/root', 'replace arangodb']);
    expect(made.secrets.arangodb).toEqual({ ...OLD.arangodb, 'root-password': login.password });
  });

  test('is restored when the response of ArangoDB was lost', async () => {
    const made = cluster();
    const login = { password: 'old-root-value' };
    const known = account('root', login, ({ body }) => body.passwd);
    let lost = true;
    await withService(made, 'arangodb', (request) => {
      const answer = known(request);
      if (!lost) return answer;
      lost = false;
      return undefined;
    });
    expect(await errorOf(made, 'arangodb/root-password')).toContain('the old value is still valid');
    expect(login.password).toBe('old-root-value');
  });

  test('does not change when ArangoDB rejects the old password', async () => {
    const made = cluster();
    await withService(made, 'arangodb', () => ({ status: 401 }));
    expect(await errorOf(made, 'arangodb/root-password')).toBe(
      'arangodb rejects the value of arangodb/root-password, which was probably changed in arangodb only: put the right value into the Secret first\nthe old value is still valid; fix the cause and run the command again',
    );
    expect(made.secrets).toEqual(OLD);
  });

  test('does not change when ArangoDB does not exist', async () => {
    const made = cluster();
    expect(await errorOf(made, 'arangodb/root-password')).toBe(
      'cannot forward port arangodb of arangodb: services "arangodb" not found\nthe old value is still valid; fix the cause and run the command again',
    );
    expect(made.secrets).toEqual(OLD);
  });

  test('errors omit the response of ArangoDB', async () => {
    const made = cluster();
    await withService(made, 'arangodb', ({ body }) => ({ status: 400, body: { errorMessage: `no: ${body.passwd}` } }));
    expect(await errorOf(made, 'arangodb/root-password')).toMatch(
      /^arangodb returned 400 to the request to set root's password: see its log\n/,
    );
  });

  test('is stored when only the response of the API server was lost', async () => {
    const made = cluster();
    const login = { password: 'old-root-value' };
    await withService(
      made,
      'arangodb',
      account('root', login, ({ body }) => body.passwd),
    );
    const original = made.run.bind(made);
    made.run = async (args, call) => {
      const answer = await original(args, call);
      if (args[0] === 'replace' && made.calls.includes('PATCH /_api/user/root')) throw new UserError('it did not answer within 30 s');
      return answer;
    };
    await run(made, 'arangodb/root-password');
    expect(made.secrets.arangodb?.['root-password']).toBe(login.password);
  });
});

describe("Grafana's admin", () => {
  test('is changed in Grafana, then in the Secret, without a restart', async () => {
    const made = cluster();
    const login = { password: 'old-admin-value' };
    await withService(
      made,
      'grafana',
      account('admin', login, ({ body }) => {
        expect(body.oldPassword).toBe('old-admin-value');
        return body.newPassword;
      }),
    );
    await run(made, 'grafana/admin-password');
    expect(made.calls).toEqual(['replace grafana', 'PUT /api/user/password', 'replace grafana']);
    expect(made.secrets.grafana).toEqual({ ...OLD.grafana, 'admin-password': login.password });
  });

  test('is restored when the Secret cannot be written', async () => {
    const made = cluster();
    const login = { password: 'old-admin-value' };
    await withService(
      made,
      'grafana',
      account('admin', login, ({ body }) => body.newPassword),
    );
    made.failure = (call) =>
      call === 'replace grafana' && made.calls.includes('PUT /api/user/password') ? new UserError('no more room') : undefined;
    expect(await errorOf(made, 'grafana/admin-password')).toContain('the old value is still valid');
    expect(login.password).toBe('old-admin-value');
  });

  test('may have been changed by an earlier attempt', async () => {
    const made = cluster();
    made.secrets.grafana = { ...OLD.grafana, 'admin-password.new': 'kept-value' };
    await withService(
      made,
      'grafana',
      account('admin', { password: 'kept-value' }, () => 'never'),
    );
    await run(made, 'grafana/admin-password');
    expect(made.calls).toEqual(['PUT /api/user/password', 'GET /api/user', 'replace grafana']);
    expect(made.secrets.grafana).toEqual({ ...OLD.grafana, 'admin-password': 'kept-value' });
  });

  test('of an earlier attempt stays in the Secret when Grafana rejects every login', async () => {
    const made = cluster();
    made.secrets.grafana = { ...OLD.grafana, 'admin-password.new': 'kept-value' };
    await withService(made, 'grafana', () => ({ status: 401 }));
    expect(await errorOf(made, 'grafana/admin-password')).toContain('grafana rejects the value of grafana/admin-password');
    expect(made.secrets.grafana['admin-password.new']).toBe('kept-value');
  });

  test.each([
    ['at once', 'old-admin-value'],
    ['by the first of the two logins', 'another-value'],
  ])('that is locked, %s, has to wait', async (_, password) => {
    const made = cluster();
    let wrong = password === 'old-admin-value' ? 5 : 4;
    await withService(made, 'grafana', ({ login }) => {
      if (wrong >= 5) return { status: 401, body: { message: 'Invalid username or password', messageId: 'login-attempt.blocked' } };
      if (login === `admin:${password}`) return { status: 200 };
      wrong += 1;
      return { status: 401, body: { message: 'Invalid username or password', messageId: 'password-auth.failed' } };
    });
    expect(await errorOf(made, 'grafana/admin-password')).toBe(
      'Grafana has locked the user admin: five wrong logins within five minutes lock a user for five minutes. Wait five minutes\nthe old value is still valid; fix the cause and run the command again',
    );
    expect(made.secrets).toEqual(OLD);
  });

  test('should not be retried often when Grafana rejects the old password', async () => {
    const made = cluster();
    await withService(made, 'grafana', () => ({ status: 401, body: { messageId: 'password-auth.failed' } }));
    expect(await errorOf(made, 'grafana/admin-password')).toMatch(
      /^grafana rejects the value .* put the right value into the Secret first\. Do not retry often: five wrong logins .* lock a user/,
    );
  });

  test('may leave sessions open', async () => {
    const plan = rotate(cluster(), dev, 'grafana/admin-password', { given: new Map(), yes: false, log: () => {} });
    await expect(plan).rejects.toThrow('Nothing restarts. Open sessions may stay valid; "log out of all devices" in Grafana ends them.');
  });

  test('is the only key of Grafana that rotates', async () => {
    const made = cluster();
    expect(await errorOf(made, 'grafana/secret-key')).toBe(
      'grafana/secret-key cannot be rotated: everything that Grafana has encrypted with it, such as data source credentials, would be unreadable for ever. To start over, delete the disk of Grafana together with its Secret',
    );
    expect(made.calls).toEqual([]);
  });
});

describe('Consul', () => {
  /** A keyring with a primary key. */
  function ring(login = 'old-management-value') {
    const state: { keys: (string | undefined)[]; primary?: string } = {
      keys: ['old-gossip-value', 'left-over-value'],
      primary: 'old-gossip-value',
    };
    const answer = ({ request, body, login: who }: FakeRequest) => {
      if (who !== login) return { status: 403 };
      const verb = request.split(' ')[0];
      if (verb === 'POST') state.keys.push(body.Key);
      if (verb === 'PUT') state.primary = body.Key;
      if (verb === 'DELETE' && body.Key === state.primary) return { status: 500 };
      if (verb === 'DELETE') state.keys = state.keys.filter((key) => key !== body.Key);
      return { status: 200, body: [{ Keys: Object.fromEntries(state.keys.map((key) => [key, 1])) }] };
    };
    return { state, answer };
  }

  test('gets the gossip key installed, used and stored, and every other key removed', async () => {
    const made = cluster();
    const { state, answer } = ring();
    await withService(made, 'consul', answer);
    await run(made, 'consul/gossip-key');
    const path = '/v1/operator/keyring';
    expect(made.calls).toEqual([
      'replace consul',
      `POST ${path}`,
      `PUT ${path}`,
      'replace consul',
      `GET ${path}`,
      `DELETE ${path}`,
      `DELETE ${path}`,
    ]);
    const { 'gossip-key': key = '' } = made.secrets.consul ?? {};
    expect(state).toEqual({ keys: [key], primary: key });
    expect(Buffer.from(key, 'base64')).toHaveLength(32);
    expect(made.secrets.consul).toEqual({ ...OLD.consul, 'gossip-key': key });
  });

  test('uses the old gossip key again when the Secret cannot be written', async () => {
    const made = cluster();
    const { state, answer } = ring();
    await withService(made, 'consul', answer);
    made.failure = (call) => (call === 'replace consul' && made.calls.length > 1 ? new UserError('no more room') : undefined);
    expect(await errorOf(made, 'consul/gossip-key')).toContain('the old value is still valid');
    expect(state).toEqual({ keys: ['old-gossip-value', 'left-over-value'], primary: 'old-gossip-value' });
  });

  test('changes no key when it rejects the management token', async () => {
    const made = cluster();
    await withService(made, 'consul', ring('another').answer);
    expect(await errorOf(made, 'consul/gossip-key')).toBe(
      'consul returned 403 to the request to install the new key: see its log\nthe old value is still valid; fix the cause and run the command again',
    );
    expect(made.secrets).toEqual(OLD);
  });

  test('reads a management token at start, and then the new token deletes the old one', async () => {
    const made = cluster();
    const deleted: string[] = [];
    await withService(made, 'consul', ({ request, login }) => {
      const known =
        login === 'old-management-value' || (login === made.secrets.consul?.['management-token'] && made.calls.includes(RESTART));
      if (request.startsWith('DELETE')) deleted.push(login);
      return known ? { status: 200, body: { AccessorID: 'the-accessor' } } : { status: 403 };
    });
    const RESTART = 'rollout restart statefulset/consul';
    const steps = await run(made, 'consul/management-token');
    expect(made.calls).toEqual([
      'GET /v1/acl/token/self',
      'replace consul',
      RESTART,
      ...waits('statefulset/consul'),
      'GET /v1/acl/token/self',
      'DELETE /v1/acl/token/the-accessor',
    ]);
    expect(deleted).toEqual([made.secrets.consul?.['management-token']]);
    expect(steps.at(-1)).toBe('delete the old token, with the accessor the-accessor');
  });

  test('may need time to accept the management token', async () => {
    const made = cluster();
    let asked = 0;
    await withService(made, 'consul', () => (++asked === 2 ? { status: 403 } : { status: 200, body: { AccessorID: 'the-accessor' } }));
    await run(made, 'consul/management-token');
    expect(made.calls.slice(-3)).toEqual(['GET /v1/acl/token/self', 'GET /v1/acl/token/self', 'DELETE /v1/acl/token/the-accessor']);
  });

  test('deletes no management token when it rejects the old one', async () => {
    const made = cluster();
    await withService(made, 'consul', () => ({ status: 403 }));
    const steps = await run(made, 'consul/management-token');
    expect(steps.at(-1)).toBe('restart consul and wait');
  });
});

test('every key that a profile needs has a procedure, or a reason why it has none', async () => {
  for (const { name, keys } of needed(prod)) {
    for (const key of Object.keys(keys)) {
      const made = new FakeCluster({}, 'platform');
      const expected = key === 'secret-key' && name === 'grafana' ? 'cannot be rotated' : 'does not exist in the namespace platform';
      await expect(run(made, `${name}/${key}`, {}, prod)).rejects.toThrow(expected);
    }
  }
});

test('a missing key must be created first', async () => {
  expect(await errorOf(new FakeCluster(), 'redis/password')).toBe(
    'redis/password does not exist in the namespace platform-dev: create it with npm run secrets -- --profile dev',
  );
});

test('an unknown key is rejected with the names of the others', async () => {
  expect(await errorOf(cluster(), 'redis-cache/password')).toMatch(
    /^the profile dev has no key "redis-cache\/password": choose one of arangodb\/root-password, .*grafana\/secret-key$/,
  );
});

test('without a terminal the plan is printed and nothing changes', async () => {
  const made = cluster();
  const done = rotate(made, dev, 'redis/password', { given: new Map(), yes: false, log: () => {} });
  await expect(done).rejects.toThrow(`redis/password gets a new value:
  1. put the new value into the Secret: redis/password
  2. restart redis and wait
  3. restart celery-worker-default, celery-beat, celery-exporter and wait
No task is lost: tasks queue at their senders, and run once everything has restarted, in a minute or two.
to do this without a terminal, give --yes`);
  expect(made.calls).toEqual([]);
});
