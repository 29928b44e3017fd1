import { setTimeout as pause } from 'node:timers/promises';
import type { secrets as listed } from '../../charts/secrets.ts';
import { TIMEOUTS } from '../timeouts.ts';
import { UserError } from '../user-error.ts';
import { base64 } from './ensure.ts';
import type { Reader } from './generate.ts';
import { type JsonResponse, type Rotation, type RotationStep, Untouched } from './rotation.ts';

/** How a key gets a new value. */
export interface Procedure {
  /** What the person who confirms the rotation should know about its effects. */
  readonly impact: string;
  readonly steps: (rotation: Rotation) => Promise<readonly RotationStep[]> | readonly RotationStep[];
}

const basic = (user: string, password: string) => ({ authorization: `Basic ${base64(`${user}:${password}`)}` });
const token = (value: string) => ({ 'x-consul-token': value });

/** Throws a UserError unless the request succeeded. It omits the response, which may repeat the secret. */
function assertOk({ status }: JsonResponse, service: string, action: string): void {
  if (status === 200) return;
  throw new (status < 500 ? Untouched : UserError)(`${service} returned ${status} to the request to ${action}: see its log`);
}

/** The message for a credential that the service rejects. */
const rejected = (service: string, path: string) =>
  `${service} rejects the value of ${path}, which was probably changed in ${service} only: put the right value into the Secret first`;

/** Sets ArangoDB's root password. */
async function setRoot(rotation: Rotation, from: string, to: string): Promise<void> {
  await rotation.http('arangodb', async (send) => {
    const response = await send('PATCH', '/_api/user/root', basic('root', from), { passwd: to });
    if (response.status !== 401) return assertOk(response, 'arangodb', "set root's password");
    // An earlier attempt, or one whose response was lost, may have set it.
    const { status } = await send('GET', '/_api/user/root', basic('root', to));
    if (status !== 200) throw new Untouched(rejected('arangodb', 'arangodb/root-password'));
  });
}

/** Sets the password of Grafana's admin. */
async function setAdmin(rotation: Rotation, from: string, to: string): Promise<void> {
  await rotation.http('grafana', async (send) => {
    const response = await send('PUT', '/api/user/password', basic('admin', from), { oldPassword: from, newPassword: to });
    if (response.status !== 401) return assertOk(response, 'grafana', "set the admin's password");
    // A locked user is rejected with the right password too.
    const retry = isLockout(response) ? response : await send('GET', '/api/user', basic('admin', to));
    if (isLockout(retry)) throw new Untouched(`Grafana has locked the user admin: ${LOCKOUT}. Wait five minutes`);
    if (retry.status !== 200) throw new Untouched(`${rejected('grafana', 'grafana/admin-password')}. Do not retry often: ${LOCKOUT}`);
  });
}

const LOCKOUT = 'five wrong logins within five minutes lock a user for five minutes';

/** Whether Grafana rejects a login because too many logins before it failed. */
const isLockout = ({ body }: JsonResponse) => (body as { readonly messageId?: string } | undefined)?.messageId === 'login-attempt.blocked';

/** Changes Consul's keyring: POST installs a key, PUT makes it the primary one, DELETE removes it. */
async function changeKeyring(rotation: Rotation, method: 'POST' | 'PUT' | 'DELETE', key: string, action: string): Promise<void> {
  const login = token(rotation.value('management-token'));
  await rotation.http('consul', async (send) =>
    assertOk(await send(method, '/v1/operator/keyring', login, { Key: key }), 'consul', action),
  );
}

/** Removes all keys but the new one from the keyring, including those of an interrupted rotation. */
async function removeOtherKeys(rotation: Rotation): Promise<void> {
  const rings = await rotation.http('consul', async (send) => {
    const response = await send('GET', '/v1/operator/keyring', token(rotation.value('management-token')));
    assertOk(response, 'consul', 'list its keyring');
    return response.body as readonly { readonly Keys: Readonly<Record<string, number>> }[];
  });
  const others = new Set(rings.flatMap(({ Keys }) => Object.keys(Keys)).filter((key) => key !== rotation.new));
  for (const key of others) await changeKeyring(rotation, 'DELETE', key, 'remove the old key');
}

/** The accessor ID of the management token in the Secret. @returns undefined when Consul rejects the token */
async function accessorOf(rotation: Rotation): Promise<string | undefined> {
  return rotation.http('consul', async (send) => {
    const response = await send('GET', '/v1/acl/token/self', token(rotation.old));
    if (response.status === 403) return undefined;
    assertOk(response, 'consul', 'read the old token');
    return (response.body as { readonly AccessorID?: string } | undefined)?.AccessorID;
  });
}

/** Waits until Consul accepts the new management token, and then deletes the old one. */
async function deleteOldToken(rotation: Rotation, id: string): Promise<void> {
  const end = performance.now() + TIMEOUTS.token * 1000;
  const isAccepted = () =>
    rotation
      .http('consul', async (send) => (await send('GET', '/v1/acl/token/self', token(rotation.new))).status === 200)
      .catch(() => false);
  while (!(await isAccepted())) {
    if (performance.now() > end)
      throw new UserError(`consul rejects the new management token ${TIMEOUTS.token} s after its restart: see its log`);
    await pause(1000);
  }
  await rotation.http('consul', async (send) =>
    assertOk(await send('DELETE', `/v1/acl/token/${id}`, token(rotation.new)), 'consul', 'delete the old token'),
  );
}

/** Selects the workloads that keep the old value until they restart. */
const hasVariable = ({ as }: Reader) => as === 'variable';

/** Redis reads its password at start, so it restarts first, and then its clients. */
const redis = (server: string, impact: string): Procedure => ({
  impact,
  steps: (rotation) => [
    rotation.store(),
    ...rotation.restart(({ name }) => name === server),
    ...rotation.restart(({ name }) => name !== server),
  ],
});

/** A Job that reads the Secret sets the value in ArangoDB or Consul; then the workloads with the old value restart. */
const byJob = (job: string, impact: string, isSelected = hasVariable): Procedure => ({
  impact,
  steps: (rotation) => [rotation.store(), rotation.rerun(job), ...rotation.restart(isSelected)],
});

/** The two keys of one login change together if the env file has both. */
const bucket = (other: string): Procedure => ({
  impact: 'Traces and logs queue in the collector meanwhile. The old keys stay valid until you revoke them in the object store.',
  steps: (rotation) => [rotation.store(other), ...rotation.restart(() => true)],
});

const NO_RESTART =
  'Nothing restarts: Prometheus reads the file at each scrape, and the kubelet updates the file within two minutes. Until then those scrapes fail.';

/** The procedure for every key of charts/secrets.ts, or the reason why it cannot change. */
export const procedures: {
  readonly [Name in keyof typeof listed]: Readonly<Record<keyof (typeof listed)[Name]['keys'], Procedure | string>>;
} = {
  arangodb: {
    'root-password': {
      impact: 'ArangoDB restarts too. Clients with the old password cannot log in as root until they have restarted.',
      steps: (rotation) => [
        rotation.keep('ArangoDB'),
        {
          description: "set root's password in ArangoDB",
          run: () => setRoot(rotation, rotation.old, rotation.new),
          undo: () => setRoot(rotation, rotation.new, rotation.old),
        },
        rotation.store(),
        ...rotation.restart(hasVariable),
      ],
    },
    password: byJob('arangodb-bootstrap', 'Tasks that log in to ArangoDB between the Job and their restart fail.'),
    'metrics-password': byJob('arangodb-bootstrap', NO_RESTART),
  },
  redis: {
    password: redis('redis', 'No task is lost: tasks queue at their senders, and run once everything has restarted, in a minute or two.'),
  },
  'redis-cache': {
    password: redis('redis-cache', 'The cache is empty afterwards, and unavailable until everything has restarted, in a minute or two.'),
  },
  consul: {
    'gossip-key': {
      impact: 'Nothing restarts: the servers exchange the key, and each keeps the keyring on its disk.',
      steps: (rotation) => [
        rotation.keep('every server'),
        {
          description: 'install the key in the keyring of every server',
          run: () => changeKeyring(rotation, 'POST', rotation.new, 'install the new key'),
          undo: () => changeKeyring(rotation, 'DELETE', rotation.new, 'remove the new key'),
        },
        {
          description: 'make it the primary key',
          run: () => changeKeyring(rotation, 'PUT', rotation.new, 'use the new key'),
          undo: () => changeKeyring(rotation, 'PUT', rotation.old, 'use the old key again'),
        },
        rotation.store(),
        { description: 'remove the old key from the keyring', run: () => removeOtherKeys(rotation) },
      ],
    },
    'management-token': {
      impact: 'Both tokens are valid until the last step.',
      steps: async (rotation) => {
        const id = await accessorOf(rotation);
        return [
          rotation.store(),
          ...rotation.restart(({ name }) => name === 'consul'),
          ...(id ? [{ description: `delete the old token, with the accessor ${id}`, run: () => deleteOldToken(rotation, id) }] : []),
        ];
      },
    },
    'agent-token': byJob(
      'consul-acl',
      'Between the Job and their restart, the servers cannot register the services that they monitor.',
      ({ name }) => name === 'consul',
    ),
    'app-token': byJob('consul-acl', 'Consul rejects requests of tasks between the Job and their restart.'),
    'metrics-token': byJob('consul-acl', NO_RESTART),
  },
  grafana: {
    'admin-password': {
      impact: 'Nothing restarts. Open sessions may stay valid; "log out of all devices" in Grafana ends them.',
      steps: (rotation) => [
        rotation.keep('Grafana'),
        {
          description: "set the admin's password in Grafana",
          run: () => setAdmin(rotation, rotation.old, rotation.new),
          undo: () => setAdmin(rotation, rotation.new, rotation.old),
        },
        rotation.store(),
      ],
    },
    'secret-key':
      'grafana/secret-key cannot be rotated: everything that Grafana has encrypted with it, such as data source credentials, would be unreadable forever. To start over, delete the disk of Grafana together with its Secret',
  },
  'object-storage': { 'access-key': bucket('secret-key'), 'secret-key': bucket('access-key') },
};
