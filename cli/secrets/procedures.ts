import { setTimeout as pause } from 'node:timers/promises';
import type { secrets as listed } from '../../charts/secrets.ts';
import { UserError } from '../user-error.ts';
import { base64 } from './ensure.ts';
import type { Reader } from './generate.ts';
import { type JsonResponse, type Rotation, type RotationStep, Untouched } from './rotation.ts';

/** Seconds that a server may take to know a new token. */
const TOKEN_TIMEOUT = 60;

/** How a key gets a new value. */
export interface Procedure {
  /** What else a person should know before. */
  readonly meanwhile: string;
  readonly steps: (rotation: Rotation) => Promise<readonly RotationStep[]> | readonly RotationStep[];
}

const basic = (user: string, password: string) => ({ authorization: `Basic ${base64(`${user}:${password}`)}` });
const token = (value: string) => ({ 'x-consul-token': value });

/** Throws a UserError unless the request succeeded. What the service said is left out: it may repeat what it was sent. */
function must({ status }: JsonResponse, service: string, what: string): void {
  if (status === 200) return;
  throw new (status < 500 ? Untouched : UserError)(`${service} answered ${status} when it was to ${what}: its log tells why`);
}

/** What a login that does not open says. */
const stranger = (service: string, path: string) =>
  `${service} does not take the value of ${path}, which somebody must have changed in ${service} alone: put the right one into the Secret first`;

/** Sets ArangoDB's root password. */
async function setRoot(rotation: Rotation, from: string, to: string): Promise<void> {
  await rotation.http('arangodb', 8529, async (send) => {
    const answer = await send('PATCH', '/_api/user/root', basic('root', from), { passwd: to });
    if (answer.status !== 401) return must(answer, 'arangodb', "set root's password");
    // A former try, or the one whose answer was lost, has done it.
    const { status } = await send('GET', '/_api/user/root', basic('root', to));
    if (status !== 200) throw new Untouched(stranger('arangodb', 'arangodb/root-password'));
  });
}

/** Sets the password of Grafana's admin. */
async function setAdmin(rotation: Rotation, from: string, to: string): Promise<void> {
  await rotation.http('grafana', 3000, async (send) => {
    const answer = await send('PUT', '/api/user/password', basic('admin', from), { oldPassword: from, newPassword: to });
    if (answer.status !== 401) return must(answer, 'grafana', "set the admin's password");
    // Whoever is locked out is refused with the right password too.
    const other = isLockout(answer) ? answer : await send('GET', '/api/user', basic('admin', to));
    if (isLockout(other)) throw new Untouched(`admin is locked out of Grafana: ${LOCKOUT}. Wait until they are over`);
    if (other.status !== 200) throw new Untouched(`${stranger('grafana', 'grafana/admin-password')}. Do not try often: ${LOCKOUT}`);
  });
}

const LOCKOUT = 'five wrong logins within five minutes lock a user out for five minutes';

/** Whether Grafana refuses a login because too many before it were wrong. */
const isLockout = ({ body }: JsonResponse) => (body as { readonly messageId?: string } | undefined)?.messageId === 'login-attempt.blocked';

/** One change of Consul's keyring. */
async function keyring(rotation: Rotation, method: 'POST' | 'PUT' | 'DELETE', key: string, what: string): Promise<void> {
  const login = token(rotation.value('management-token'));
  await rotation.http('consul', 8500, async (send) =>
    must(await send(method, '/v1/operator/keyring', login, { Key: key }), 'consul', what),
  );
}

/** Removes every key but the new one from the keyring: the old one, and what a rotation that broke off has left. */
async function onlyNew(rotation: Rotation): Promise<void> {
  const rings = await rotation.http('consul', 8500, async (send) => {
    const answer = await send('GET', '/v1/operator/keyring', token(rotation.value('management-token')));
    must(answer, 'consul', 'list its keyring');
    return answer.body as readonly { readonly Keys: Readonly<Record<string, number>> }[];
  });
  const others = new Set(rings.flatMap(({ Keys }) => Object.keys(Keys)).filter((key) => key !== rotation.new));
  for (const key of others) await keyring(rotation, 'DELETE', key, 'remove the old key');
}

/** The accessor of the management token that is in the Secret. @default undefined - Consul does not know the token */
async function accessor(rotation: Rotation): Promise<string | undefined> {
  return rotation.http('consul', 8500, async (send) => {
    const answer = await send('GET', '/v1/acl/token/self', token(rotation.old));
    if (answer.status === 403) return undefined;
    must(answer, 'consul', 'name the old token');
    return (answer.body as { readonly AccessorID?: string } | undefined)?.AccessorID;
  });
}

/** Waits until Consul knows the new management token, and then deletes the old one. */
async function deleteOld(rotation: Rotation, id: string): Promise<void> {
  const end = performance.now() + TOKEN_TIMEOUT * 1000;
  for (;;) {
    const known = await rotation
      .http('consul', 8500, async (send) => (await send('GET', '/v1/acl/token/self', token(rotation.new))).status === 200)
      .catch(() => false);
    if (known) break;
    if (performance.now() > end)
      throw new UserError(`consul does not know the new management token ${TOKEN_TIMEOUT} s after its restart: its log tells why`);
    await pause(1000);
  }
  await rotation.http('consul', 8500, async (send) =>
    must(await send('DELETE', `/v1/acl/token/${id}`, token(rotation.new)), 'consul', 'delete the old token'),
  );
}

/** Workloads that hold the value as a variable for as long as they run. */
const variables = ({ as }: Reader) => as === 'variable';

/** A Redis reads its password when it starts; then come those who log in to it. */
const redis = (server: string, meanwhile: string): Procedure => ({
  meanwhile,
  steps: (rotation) => [
    rotation.store(),
    ...rotation.restart(({ name }) => name === server),
    ...rotation.restart(({ name }) => name !== server),
  ],
});

/** Set in ArangoDB or Consul by a Job that reads the Secret; then come those who hold it as a variable. */
const byJob = (job: string, meanwhile: string, chosen = variables): Procedure => ({
  meanwhile,
  steps: (rotation) => [rotation.store(), rotation.rerun(job), ...rotation.restart(chosen)],
});

/** Two halves of one login: where the file has both, both change. */
const bucket = (other: string): Procedure => ({
  meanwhile: 'Traces and logs wait in the collector meanwhile. The old keys stay valid until their store forgets them.',
  steps: (rotation) => [rotation.store(other), ...rotation.restart(() => true)],
});

const FOLLOWS =
  'Nothing restarts: Prometheus reads the file at each scrape, and the file follows the Secret within two minutes. Until then those scrapes fail.';

/** Every key of charts/secrets.ts, and what its service allows, or why it allows nothing. */
export const procedures: {
  readonly [Name in keyof typeof listed]: Readonly<Record<keyof (typeof listed)[Name]['keys'], Procedure | string>>;
} = {
  arangodb: {
    'root-password': {
      meanwhile: 'ArangoDB restarts too. Whoever holds the old one cannot log in as root until it has restarted.',
      steps: (rotation) => [
        rotation.keep('ArangoDB'),
        {
          words: 'sets it in ArangoDB as root',
          run: () => setRoot(rotation, rotation.old, rotation.new),
          undo: () => setRoot(rotation, rotation.new, rotation.old),
        },
        rotation.store(),
        ...rotation.restart(variables),
      ],
    },
    password: byJob('arangodb-bootstrap', 'Tasks that log in to ArangoDB between the Job and their restart fail.'),
    'metrics-password': byJob('arangodb-bootstrap', FOLLOWS),
  },
  redis: {
    password: redis(
      'redis',
      'No task is lost: they queue up where they are sent from, and run on when all has restarted, in a minute or two.',
    ),
  },
  'redis-cache': {
    password: redis('redis-cache', 'The cache is empty afterwards, and does not answer until all has restarted, in a minute or two.'),
  },
  consul: {
    'gossip-key': {
      meanwhile: 'Nothing restarts: the servers tell each other, and each keeps the keyring on its disk.',
      steps: (rotation) => [
        rotation.keep('every server'),
        {
          words: 'installs it in the keyring of every server',
          run: () => keyring(rotation, 'POST', rotation.new, 'install the new key'),
          undo: () => keyring(rotation, 'DELETE', rotation.new, 'remove the new key'),
        },
        {
          words: 'has the servers encrypt with it',
          run: () => keyring(rotation, 'PUT', rotation.new, 'use the new key'),
          undo: () => keyring(rotation, 'PUT', rotation.old, 'use the old key again'),
        },
        rotation.store(),
        { words: 'removes the old one from the keyring', run: () => onlyNew(rotation) },
      ],
    },
    'management-token': {
      meanwhile: 'Both are valid until the last step.',
      steps: async (rotation) => {
        const id = await accessor(rotation);
        return [
          rotation.store(),
          ...rotation.restart(({ name }) => name === 'consul'),
          ...(id ? [{ words: `deletes the old token, of accessor ${id}`, run: () => deleteOld(rotation, id) }] : []),
        ];
      },
    },
    'agent-token': byJob(
      'consul-acl',
      'Between the Job and their restart the servers cannot register what they watch.',
      ({ name }) => name === 'consul',
    ),
    'app-token': byJob('consul-acl', 'Tasks that ask Consul between the Job and their restart are refused.'),
    'metrics-token': byJob('consul-acl', FOLLOWS),
  },
  grafana: {
    'admin-password': {
      meanwhile: 'Nothing restarts. Open sessions may go on; logging admin out of all devices in Grafana ends them.',
      steps: (rotation) => [
        rotation.keep('Grafana'),
        {
          words: 'sets it in Grafana as admin',
          run: () => setAdmin(rotation, rotation.old, rotation.new),
          undo: () => setAdmin(rotation, rotation.new, rotation.old),
        },
        rotation.store(),
      ],
    },
    'secret-key':
      'grafana/secret-key never changes: what Grafana stored with it, such as credentials of data sources, would become unreadable, and no step brings it back; to begin anew, remove the disk of Grafana together with the Secret',
  },
  'object-storage': { 'access-key': bucket('secret-key'), 'secret-key': bucket('access-key') },
};
