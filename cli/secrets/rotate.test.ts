import { afterEach, describe, expect, test } from 'vitest';
import { UserError } from '../user-error.ts';
import { needed } from './generate.ts';
import { rotate } from './rotate.ts';
import { type Asked, dev, FakeCluster, prod, serve } from './testing.ts';

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

/** A cluster in which everything of dev runs. */
function cluster(): FakeCluster {
  const made = new FakeCluster(structuredClone(OLD));
  const names = ['statefulset/redis', 'statefulset/consul', 'statefulset/prometheus', 'statefulset/arangodb', 'deployment/grafana'];
  made.workloads.push(...names, 'deployment/celery-worker-default', 'deployment/celery-beat', 'deployment/celery-exporter');
  return made;
}

async function answering(made: FakeCluster, service: string, answer: Parameters<typeof serve>[2]): Promise<void> {
  servers.push(await serve(made, service, answer));
}

const said: string[] = [];
const turn = (made: FakeCluster, path: string, given: Record<string, string> = {}, profile = dev) =>
  rotate(made, profile, path, { given: new Map(Object.entries(given)), yes: true, say: (line) => said.push(line) });

/** The message of a rotation that fails, in which no value may stand. */
async function errorOf(made: FakeCluster, path: string, given: Record<string, string> = {}): Promise<string> {
  const error = await turn(made, path, given).then(
    () => new Error('it was not refused'),
    (thrown: Error) => thrown,
  );
  expect(error).toBeInstanceOf(UserError);
  const now = Object.values(made.secrets).flatMap((keys) => Object.values(keys));
  for (const value of [...Object.values(OLD).flatMap((keys) => Object.values(keys)), ...now]) expect(error.message).not.toContain(value);
  return error.message;
}

afterEach(() => {
  expect(said.join()).not.toContain('-value');
  said.length = 0;
});

/** A database or the like that knows one login. */
function keeper(user: string, login: { password: string }, set: (asked: Asked) => string) {
  return (asked: Asked) => {
    if (asked.login !== `${user}:${login.password}`) return { status: 401 };
    if (!asked.request.startsWith('GET')) login.password = set(asked);
    return { status: 200 };
  };
}

const READERS = 'deployment/celery-worker-default deployment/celery-beat';
const waits = (...names: readonly string[]) => names.map((name) => `rollout status ${name}`);
const job = (name: string) => dev.objects.find(({ kind, metadata }) => kind === 'Job' && metadata.name.startsWith(name))?.metadata.name;
const rerun = (name: string) => [`delete job ${job(name)}`, `apply ${job(name)}`, `wait job/${job(name)}`];

describe('without the service', () => {
  test('Redis restarts first, then those who log in to it', async () => {
    const made = cluster();
    const steps = await turn(made, 'redis/password');
    expect(made.calls).toEqual([
      'replace redis',
      'rollout restart statefulset/redis',
      ...waits('statefulset/redis'),
      `rollout restart ${READERS} deployment/celery-exporter`,
      ...waits('deployment/celery-worker-default', 'deployment/celery-beat', 'deployment/celery-exporter'),
    ]);
    expect(made.secrets.redis?.password).toMatch(/^[\w-]{43}$/);
    expect(steps).toEqual([
      'puts the new value into the Secret: redis/password',
      'restarts redis and waits',
      'restarts celery-worker-default, celery-beat, celery-exporter and waits',
    ]);
    expect(said).toEqual(steps);
  });

  test('the cache restarts first, then the app', async () => {
    const made = new FakeCluster(structuredClone(OLD), 'platform');
    made.workloads.push('statefulset/redis-cache', 'deployment/celery-worker-slow', 'deployment/celery-exporter');
    await turn(made, 'redis-cache/password', {}, prod);
    expect(made.calls.filter((call) => !call.includes('status'))).toEqual([
      'replace redis-cache',
      'rollout restart statefulset/redis-cache',
      'rollout restart deployment/celery-worker-slow',
    ]);
  });

  test('where nothing runs yet, the Secret is all', async () => {
    const made = new FakeCluster(structuredClone(OLD));
    await turn(made, 'redis/password');
    expect(made.calls).toEqual(['replace redis']);
  });

  test('a Job that reads the key is not restarted: it has done its work', async () => {
    const env = [{ name: 'PASSWORD', valueFrom: { secretKeyRef: { name: 'redis', key: 'password' } } }];
    const work = { apiVersion: 'batch/v1', kind: 'Job', metadata: { name: 'x' }, spec: { template: { spec: { containers: [{ env }] } } } };
    const made = cluster();
    made.workloads.push('job/x');
    await turn(made, 'redis/password', {}, { ...dev, objects: [...dev.objects, work] });
    expect(made.calls.filter((call) => call.includes('job/x'))).toEqual([]);
  });

  test('a value from an env file is taken', async () => {
    const made = cluster();
    await turn(made, 'redis/password', { 'redis/password': 'given-value' });
    expect(made.secrets.redis).toEqual({ password: 'given-value' });
    expect(await errorOf(made, 'redis/password', { 'redis/password': 'given-value' })).toBe(
      'redis/password has the value of the file already: nothing was changed',
    );
  });

  test.each([
    ['arangodb/password', 'arangodb-bootstrap', READERS],
    ['arangodb/metrics-password', 'arangodb-bootstrap', undefined],
    ['consul/app-token', 'consul-acl', READERS],
    ['consul/agent-token', 'consul-acl', 'statefulset/consul'],
    ['consul/metrics-token', 'consul-acl', undefined],
  ])('%s goes through its Job, and restarts who holds it', async (path, name, restarted) => {
    const made = cluster();
    await turn(made, path);
    expect(made.calls).toEqual([
      `replace ${path.split('/')[0]}`,
      ...rerun(name),
      ...(restarted ? [`rollout restart ${restarted}`, ...waits(...restarted.split(' '))] : []),
    ]);
  });

  test('the keys of the buckets come from the file, both where it has both', async () => {
    const made = new FakeCluster(structuredClone(OLD), 'platform');
    made.workloads.push('statefulset/loki', 'deployment/tempo', 'statefulset/tempo');
    await turn(made, 'object-storage/access-key', { 'object-storage/access-key': 'a-value', 'object-storage/secret-key': 'b-value' }, prod);
    expect(made.secrets['object-storage']).toEqual({ 'access-key': 'a-value', 'secret-key': 'b-value' });
    expect(made.calls[1]).toMatch(/^rollout restart .*loki/);
    await expect(turn(made, 'object-storage/secret-key', {}, prod)).rejects.toThrow(
      'only you know object-storage/secret-key: write S3_SECRET_KEY into an env file, and give it with --from-env FILE',
    );
  });

  test('a step that fails after the Secret says what is left to do', async () => {
    const made = cluster();
    made.refuse = (call) => (call === 'rollout status statefulset/redis' ? 'it takes too long' : undefined);
    expect(await errorOf(made, 'redis/password')).toBe(
      'it takes too long\nredis/password has its new value. Left to do: restarts redis and waits; restarts celery-worker-default, celery-beat, celery-exporter and waits',
    );
  });
});

describe("ArangoDB's root", () => {
  test('is changed in ArangoDB, then in the Secret, and no crash in between can lose it', async () => {
    const made = cluster();
    const login = { password: 'old-root-value' };
    let kept: string | undefined;
    await answering(
      made,
      'arangodb',
      keeper('root', login, ({ body }) => {
        kept = made.secrets.arangodb?.['root-password.new'];
        return body.passwd;
      }),
    );
    await turn(made, 'arangodb/root-password');
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

  test('is set back when the Secret cannot be written', async () => {
    const made = cluster();
    const login = { password: 'old-root-value' };
    await answering(
      made,
      'arangodb',
      keeper('root', login, ({ body }) => body.passwd),
    );
    made.refuse = (call) => (call === 'replace arangodb' && made.calls.includes('PATCH /_api/user/root') ? 'no more room' : undefined);
    expect(await errorOf(made, 'arangodb/root-password')).toBe(
      'no more room\nthe old value still counts; once that is fixed, run it again',
    );
    expect(login.password).toBe('old-root-value');
    expect(made.secrets.arangodb?.['root-password']).toBe('old-root-value');
  });

  test('what cannot be set back is kept, and the next try goes on with it', async () => {
    const made = cluster();
    const login = { password: 'old-root-value' };
    let down = false;
    const known = keeper('root', login, ({ body }) => body.passwd);
    await answering(made, 'arangodb', (asked) => (down ? undefined : known(asked)));
    made.refuse = (call) => {
      down = made.calls.includes('PATCH /_api/user/root');
      return down && call === 'replace arangodb' ? 'no more room' : undefined;
    };
    expect(await errorOf(made, 'arangodb/root-password')).toBe(
      'no more room\nthe service may have the new value already, and taking it back failed too (arangodb does not answer through the forwarded port: see npm run status whether it is ready): the Secret holds both until then; once that is fixed, run it again',
    );
    expect(made.secrets.arangodb).toEqual({ ...OLD.arangodb, 'root-password.new': login.password });

    down = false;
    made.refuse = () => undefined;
    made.calls.length = 0;
    await turn(made, 'arangodb/root-password');
    expect(made.calls.slice(0, 3)).toEqual(['PATCH /_api/user/root', 'GET /_api/user/root', 'replace arangodb']);
    expect(made.secrets.arangodb).toEqual({ ...OLD.arangodb, 'root-password': login.password });
  });

  test('a lost answer of the database is asked for again', async () => {
    const made = cluster();
    const login = { password: 'old-root-value' };
    const known = keeper('root', login, ({ body }) => body.passwd);
    let lost = true;
    await answering(made, 'arangodb', (asked) => {
      const answer = known(asked);
      if (!lost) return answer;
      lost = false;
      return undefined;
    });
    expect(await errorOf(made, 'arangodb/root-password')).toContain('the old value still counts');
    expect(login.password).toBe('old-root-value');
  });

  test('a password that ArangoDB does not know changes nothing', async () => {
    const made = cluster();
    await answering(made, 'arangodb', () => ({ status: 401 }));
    expect(await errorOf(made, 'arangodb/root-password')).toBe(
      'arangodb does not take the value of arangodb/root-password, which somebody must have changed in arangodb alone: put the right one into the Secret first\nthe old value still counts; once that is fixed, run it again',
    );
    expect(made.secrets).toEqual(OLD);
  });

  test('an ArangoDB that is not there changes nothing', async () => {
    const made = cluster();
    expect(await errorOf(made, 'arangodb/root-password')).toBe(
      'no port of arangodb can be forwarded: services "arangodb" not found\nthe old value still counts; once that is fixed, run it again',
    );
    expect(made.secrets).toEqual(OLD);
  });

  test('what ArangoDB answers is not repeated', async () => {
    const made = cluster();
    await answering(made, 'arangodb', ({ body }) => ({ status: 400, body: { errorMessage: `no: ${body.passwd}` } }));
    expect(await errorOf(made, 'arangodb/root-password')).toMatch(
      /^arangodb answered 400 when it was to set root's password: its log tells why\n/,
    );
  });

  test('a lost answer of the cluster is no lost write', async () => {
    const made = cluster();
    const login = { password: 'old-root-value' };
    await answering(
      made,
      'arangodb',
      keeper('root', login, ({ body }) => body.passwd),
    );
    const run = made.run.bind(made);
    made.run = async (args, call) => {
      const answer = await run(args, call);
      if (args[0] === 'replace' && made.calls.includes('PATCH /_api/user/root')) throw new UserError('it did not answer within 30 s');
      return answer;
    };
    await turn(made, 'arangodb/root-password');
    expect(made.secrets.arangodb?.['root-password']).toBe(login.password);
  });
});

describe("Grafana's admin", () => {
  test('is changed in Grafana, then in the Secret, and nothing restarts', async () => {
    const made = cluster();
    const login = { password: 'old-admin-value' };
    await answering(
      made,
      'grafana',
      keeper('admin', login, ({ body }) => {
        expect(body.oldPassword).toBe('old-admin-value');
        return body.newPassword;
      }),
    );
    await turn(made, 'grafana/admin-password');
    expect(made.calls).toEqual(['replace grafana', 'PUT /api/user/password', 'replace grafana']);
    expect(made.secrets.grafana).toEqual({ ...OLD.grafana, 'admin-password': login.password });
  });

  test('is set back when the Secret cannot be written', async () => {
    const made = cluster();
    const login = { password: 'old-admin-value' };
    await answering(
      made,
      'grafana',
      keeper('admin', login, ({ body }) => body.newPassword),
    );
    made.refuse = (call) => (call === 'replace grafana' && made.calls.includes('PUT /api/user/password') ? 'no more room' : undefined);
    expect(await errorOf(made, 'grafana/admin-password')).toContain('the old value still counts');
    expect(login.password).toBe('old-admin-value');
  });

  test('a former try is found done', async () => {
    const made = cluster();
    made.secrets.grafana = { ...OLD.grafana, 'admin-password.new': 'kept-value' };
    await answering(
      made,
      'grafana',
      keeper('admin', { password: 'kept-value' }, () => 'never'),
    );
    await turn(made, 'grafana/admin-password');
    expect(made.calls).toEqual(['PUT /api/user/password', 'GET /api/user', 'replace grafana']);
    expect(made.secrets.grafana).toEqual({ ...OLD.grafana, 'admin-password': 'kept-value' });
  });

  test('a former try is not thrown away by a Grafana that lets nobody in', async () => {
    const made = cluster();
    made.secrets.grafana = { ...OLD.grafana, 'admin-password.new': 'kept-value' };
    await answering(made, 'grafana', () => ({ status: 401 }));
    expect(await errorOf(made, 'grafana/admin-password')).toContain('grafana does not take the value of grafana/admin-password');
    expect(made.secrets.grafana['admin-password.new']).toBe('kept-value');
  });

  test.each([
    ['at once', 'old-admin-value'],
    ['by the first of the two logins', 'another-value'],
  ])('who is locked out, %s, is no stranger, and is told to wait', async (_, password) => {
    const made = cluster();
    let wrong = password === 'old-admin-value' ? 5 : 4;
    await answering(made, 'grafana', ({ login }) => {
      if (wrong >= 5) return { status: 401, body: { message: 'Invalid username or password', messageId: 'login-attempt.blocked' } };
      if (login === `admin:${password}`) return { status: 200 };
      wrong += 1;
      return { status: 401, body: { message: 'Invalid username or password', messageId: 'password-auth.failed' } };
    });
    expect(await errorOf(made, 'grafana/admin-password')).toBe(
      'admin is locked out of Grafana: five wrong logins within five minutes lock a user out for five minutes. Wait until they are over\nthe old value still counts; once that is fixed, run it again',
    );
    expect(made.secrets).toEqual(OLD);
  });

  test('a password that Grafana does not know is not tried on and on', async () => {
    const made = cluster();
    await answering(made, 'grafana', () => ({ status: 401, body: { messageId: 'password-auth.failed' } }));
    expect(await errorOf(made, 'grafana/admin-password')).toMatch(
      /^grafana does not take the value .* put the right one into the Secret first\. Do not try often: five wrong logins .* lock a user out/,
    );
  });

  test('what becomes of open sessions is not promised', async () => {
    const plan = rotate(cluster(), dev, 'grafana/admin-password', { given: new Map(), yes: false, say: () => {} });
    await expect(plan).rejects.toThrow('Nothing restarts. Open sessions may go on; logging admin out of all devices in Grafana ends them.');
  });

  test('what it signs with never changes', async () => {
    const made = cluster();
    expect(await errorOf(made, 'grafana/secret-key')).toBe(
      'grafana/secret-key never changes: what Grafana stored with it, such as credentials of data sources, would become unreadable, and no step brings it back; to begin anew, remove the disk of Grafana together with the Secret',
    );
    expect(made.calls).toEqual([]);
  });
});

describe('Consul', () => {
  /** A keyring that knows its primary key. */
  function ring(login = 'old-management-value') {
    const state = { keys: ['old-gossip-value', 'left-over-value'], primary: 'old-gossip-value' };
    const answer = ({ request, body, login: who }: Asked) => {
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

  test('gets the gossip key installed, used, stored, and every other removed', async () => {
    const made = cluster();
    const { state, answer } = ring();
    await answering(made, 'consul', answer);
    await turn(made, 'consul/gossip-key');
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
    await answering(made, 'consul', answer);
    made.refuse = (call) => (call === 'replace consul' && made.calls.length > 1 ? 'no more room' : undefined);
    expect(await errorOf(made, 'consul/gossip-key')).toContain('the old value still counts');
    expect(state).toEqual({ keys: ['old-gossip-value', 'left-over-value'], primary: 'old-gossip-value' });
  });

  test('a management token that it does not know changes nothing', async () => {
    const made = cluster();
    await answering(made, 'consul', ring('another').answer);
    expect(await errorOf(made, 'consul/gossip-key')).toBe(
      'consul answered 403 when it was to install the new key: its log tells why\nthe old value still counts; once that is fixed, run it again',
    );
    expect(made.secrets).toEqual(OLD);
  });

  test('takes in a management token when it starts, and then the old one is deleted with the new', async () => {
    const made = cluster();
    const deleted: string[] = [];
    await answering(made, 'consul', ({ request, login }) => {
      const known =
        login === 'old-management-value' || (login === made.secrets.consul?.['management-token'] && made.calls.includes(RESTART));
      if (request.startsWith('DELETE')) deleted.push(login);
      return known ? { status: 200, body: { AccessorID: 'the-accessor' } } : { status: 403 };
    });
    const RESTART = 'rollout restart statefulset/consul';
    const steps = await turn(made, 'consul/management-token');
    expect(made.calls).toEqual([
      'GET /v1/acl/token/self',
      'replace consul',
      RESTART,
      ...waits('statefulset/consul'),
      'GET /v1/acl/token/self',
      'DELETE /v1/acl/token/the-accessor',
    ]);
    expect(deleted).toEqual([made.secrets.consul?.['management-token']]);
    expect(steps.at(-1)).toBe('deletes the old token, of accessor the-accessor');
  });

  test('is given the time to take the management token in', async () => {
    const made = cluster();
    let asked = 0;
    await answering(made, 'consul', () => (++asked === 2 ? { status: 403 } : { status: 200, body: { AccessorID: 'the-accessor' } }));
    await turn(made, 'consul/management-token');
    expect(made.calls.slice(-3)).toEqual(['GET /v1/acl/token/self', 'GET /v1/acl/token/self', 'DELETE /v1/acl/token/the-accessor']);
  });

  test('has nothing to delete where the old management token is not known', async () => {
    const made = cluster();
    await answering(made, 'consul', () => ({ status: 403 }));
    const steps = await turn(made, 'consul/management-token');
    expect(steps.at(-1)).toBe('restarts consul and waits');
  });
});

test('every key that a profile needs has a procedure, or the reason why it has none', async () => {
  for (const { name, keys } of needed(prod)) {
    for (const key of Object.keys(keys)) {
      const made = new FakeCluster({}, 'platform');
      const expected = key === 'secret-key' && name === 'grafana' ? 'never changes' : 'is not in namespace platform yet';
      await expect(turn(made, `${name}/${key}`, {}, prod)).rejects.toThrow(expected);
    }
  }
});

test('a key that is not there yet is made first', async () => {
  expect(await errorOf(new FakeCluster(), 'redis/password')).toBe(
    'redis/password is not in namespace platform-dev yet: npm run secrets -- --profile dev makes it',
  );
});

test('an unknown key is refused with those that there are', async () => {
  expect(await errorOf(cluster(), 'redis-cache/password')).toMatch(
    /^the profile dev has no key "redis-cache\/password": --rotate takes one of arangodb\/root-password, .*grafana\/secret-key$/,
  );
});

test('where nobody can be asked, the plan is told and nothing done', async () => {
  const made = cluster();
  const done = rotate(made, dev, 'redis/password', { given: new Map(), yes: false, say: () => {} });
  await expect(done).rejects.toThrow(`redis/password gets a new value:
  1. puts the new value into the Secret: redis/password
  2. restarts redis and waits
  3. restarts celery-worker-default, celery-beat, celery-exporter and waits
No task is lost: they queue up where they are sent from, and run on when all has restarted, in a minute or two.
nobody can be asked here: give --yes to have it done`);
  expect(made.calls).toEqual([]);
});
