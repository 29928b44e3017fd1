import { setTimeout as pause } from 'node:timers/promises';
import type { Manifest } from '../../lib/render.ts';
import type { SecretFormat } from '../../lib/secret.ts';
import type { secrets as listed } from '../../settings/secrets.ts';
import { apply } from '../cluster.ts';
import type { Kubectl } from '../kubectl.ts';
import { ask } from '../output.ts';
import type { Profile } from '../profile.ts';
import { Refusal } from '../refusal.ts';
import { base64, change, read } from './ensure.ts';
import { VARIABLES } from './env-file.ts';
import { generate, needed, type Reader, readers, type SecretValues } from './generate.ts';

/** Seconds that a rollout or a Job may take. */
const PATIENCE = 900;
/** Seconds that a server may take to know a new token. */
const SOON = 60;

interface Options {
  readonly given: SecretValues;
  /** Nobody is asked. */
  readonly yes: boolean;
  readonly say: (line: string) => void;
}

/** Why a step did nothing at all. */
class Untouched extends Refusal {}

/** One thing that is done, and how it is taken back when a later one fails before the Secret has the new value. */
interface Step {
  readonly words: string;
  readonly run: () => Promise<void>;
  readonly undo?: () => Promise<void>;
  /** From here on the new value counts, and nothing is taken back. */
  readonly final?: boolean;
}

/** How a key gets a new value. */
interface Way {
  /** What else a person should know before. */
  readonly meanwhile: string;
  readonly steps: (rotation: Rotation) => Promise<readonly Step[]> | readonly Step[];
}

/** Gives a key a new value. Returns what was done, a sentence each. */
export async function rotate(kubectl: Kubectl, profile: Profile, path: string, { given, yes, say }: Options): Promise<readonly string[]> {
  const keys = needed(profile).flatMap(({ name, keys }) =>
    Object.entries(keys).map(([key, { format }]) => ({ path: `${name}/${key}`, name, key, format })),
  );
  const found = keys.find((each) => each.path === path);
  if (!found) {
    const all = keys.map((each) => each.path).join(', ');
    throw new Refusal(`the profile ${profile.name} has no key "${path}": --rotate takes one of ${all}`);
  }
  const { name, key, format } = found;
  const way = (ways as Readonly<Record<string, Readonly<Record<string, Way | string>>>>)[name]?.[key];
  if (typeof way !== 'object') throw new Refusal(way ?? `nobody has written down how ${path} changes: cli/secrets/rotate.ts is the place`);
  const secret = (await read(kubectl, [name])).get(name);
  if (secret?.data?.[key] === undefined) {
    throw new Refusal(`${path} is not in namespace ${profile.namespace} yet: npm run secrets -- --profile ${profile.name} makes it`);
  }

  const rotation = new Rotation(kubectl, profile, secret, { key, format }, await deployed(kubectl, profile, path), given);
  const steps = await way.steps(rotation);
  const plan = [
    `${path} gets a new value${rotation.resumed ? ', the one of the last try' : ''}:`,
    ...steps.map(({ words }, at) => `  ${at + 1}. ${words}`),
    way.meanwhile,
  ].join('\n');
  if (!yes) {
    const answer = await ask(`${plan}\nGo on? [y/N] `, `${plan}\nnobody can be asked here: give --yes to have it done`);
    if (!/^y(es)?$/i.test(answer)) throw new Refusal('nothing was changed');
  }
  await take(steps, path, say);
  return steps.map(({ words }) => words);
}

/** Takes the steps one after the other. Throws a Refusal that says how things stand when one fails. */
async function take(steps: readonly Step[], path: string, say: (line: string) => void): Promise<void> {
  let final = false;
  for (const [at, { words, run, final: last }] of steps.entries()) {
    say(words);
    try {
      await run();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (final) {
        const left = steps.slice(at).map((step) => step.words);
        throw new Refusal(`${error.message}\n${path} has its new value. Left to do: ${left.join('; ')}`);
      }
      throw new Refusal(
        `${error.message}\n${await takeBack(steps.slice(0, error instanceof Untouched ? at : at + 1))}; once that is mended, run it again`,
      );
    }
    final ||= last === true;
  }
}

/** Undoes what was done, the last first; also the step that failed, which may have been done before its answer was lost. */
async function takeBack(steps: readonly Step[]): Promise<string> {
  for (const { undo } of steps.toReversed()) {
    try {
      await undo?.();
    } catch (error) {
      return `the service may have the new value already, and taking it back failed too (${(error as Error).message}): the Secret holds both until then`;
    }
  }
  return 'the old value still counts';
}

/** A workload that runs in the cluster. */
type Workload = Pick<Reader, 'kind' | 'name'>;

const called = ({ kind, name }: Workload): string => `${kind.toLowerCase()}/${name}`;

/** What reads the key and is there. */
async function deployed(kubectl: Kubectl, profile: Profile, path: string): Promise<readonly Reader[]> {
  const all = readers(profile).filter(({ kind, secret, key }) => kind !== 'Job' && `${secret}/${key}` === path);
  if (all.length === 0) return [];
  const found = await kubectl.objects(['get', ...new Set(all.map(called)), '--ignore-not-found']);
  const there = found.map(({ kind, metadata }) => called({ kind, name: metadata.name }));
  return all.filter((reader) => there.includes(called(reader)));
}

/** One key on its way from the old value to the new. */
class Rotation {
  readonly old: string;
  readonly new: string;
  /** A former try got as far as keeping its new value: it may be the one that the service has. */
  readonly resumed: boolean;
  private readonly key: string;

  constructor(
    private readonly kubectl: Kubectl,
    private readonly profile: Profile,
    private secret: Manifest,
    { key, format }: { readonly key: string; readonly format: SecretFormat },
    private readonly readers: readonly Reader[],
    private readonly given: SecretValues,
  ) {
    const { name } = secret.metadata;
    const path = `${name}/${key}`;
    const value = given.get(path) ?? (format === 'given' ? undefined : generate[format]());
    if (value === undefined) {
      const variable = Object.keys(VARIABLES).find((each) => VARIABLES[each]?.includes(path));
      throw new Refusal(`only you know ${path}: write ${variable} into an env file, and give it with --from-env FILE`);
    }
    this.key = key;
    this.old = this.value(key);
    this.resumed = this.beside in secret.data;
    this.new = this.resumed ? this.value(this.beside) : value;
    if (this.new === this.old && !this.resumed) throw new Refusal(`${path} has the value of the file already: nothing was changed`);
  }

  /** Another key of the same Secret. */
  value(key: string): string {
    const value = this.secret.data[key];
    if (value === undefined) {
      throw new Refusal(
        `${this.secret.metadata.name}/${key} is not there, and it is needed for this: npm run secrets -- --profile ${this.profile.name} makes it`,
      );
    }
    return Buffer.from(value, 'base64').toString();
  }

  /** Where the new value waits, so that no crash between two steps can lose the only copy. */
  private get beside(): string {
    return `${this.key}.new`;
  }

  keep(service: string): Step {
    return {
      words: `keeps the new value in the Secret as ${this.beside} until ${service} has it`,
      run: async () => {
        if (!this.resumed) this.secret = await change(this.kubectl, this.secret, { [this.beside]: this.new });
      },
      // What a former try left may be what the service has. Where it stays behind, the next try goes on with it.
      undo: async () => {
        if (!this.resumed) await change(this.kubectl, this.secret, { [this.beside]: undefined }).catch(() => undefined);
      },
    };
  }

  /** The new value into the Secret, with other keys that change with it. */
  store(...others: readonly string[]): Step {
    const { name } = this.secret.metadata;
    const also = others.flatMap((key) => {
      const value = this.given.get(`${name}/${key}`);
      return value === undefined ? [] : [[key, value] as const];
    });
    const keys = [this.key, ...also.map(([key]) => key)];
    return {
      words: `puts the new value${keys.length > 1 ? 's' : ''} into the Secret: ${keys.map((key) => `${name}/${key}`).join(' and ')}`,
      final: true,
      run: async () => {
        try {
          this.secret = await change(this.kubectl, this.secret, {
            ...Object.fromEntries(also),
            [this.key]: this.new,
            [this.beside]: undefined,
          });
        } catch (error) {
          // A lost answer is not a lost write.
          const now = (await read(this.kubectl, [name]).catch(() => undefined))?.get(name);
          if (now?.data?.[this.key] !== base64(this.new)) throw error;
        }
      },
    };
  }

  /** Restarts what reads the key and is chosen, and waits for it. No step where nothing of it is there. */
  restart(chosen: (reader: Reader) => boolean): readonly Step[] {
    const workloads = [...new Set(this.readers.filter(chosen).map(called))];
    if (workloads.length === 0) return [];
    return [
      {
        words: `restarts ${workloads.map((each) => each.replace(/^\w+\//, '')).join(', ')} and waits`,
        run: async () => {
          await this.kubectl.run(['rollout', 'restart', ...workloads]);
          for (const each of workloads) {
            await this.kubectl.run(['rollout', 'status', each, `--timeout=${PATIENCE}s`], { seconds: PATIENCE + 10 });
          }
        },
      },
    ];
  }

  /** Runs the profile's Job of that name again: it brings what the Secret says into the service. */
  again(job: string): Step {
    const found = [...this.profile.files.values()].flat().find(({ kind, metadata }) => kind === 'Job' && isFrom(metadata.name, job));
    if (!found) throw new Refusal(`the profile ${this.profile.name} has no Job ${job}-…, which brings this value into its service`);
    const { name } = found.metadata;
    return {
      words: `runs the Job ${name} again, which brings the new value into the service, and waits`,
      run: async () => {
        await this.kubectl.run(['delete', 'job', name, '--ignore-not-found', '--cascade=foreground', '--timeout=60s'], { seconds: 70 });
        await apply(this.kubectl, [found]);
        await this.kubectl.run(['wait', '--for=condition=complete', `job/${name}`, `--timeout=${PATIENCE}s`], { seconds: PATIENCE + 10 });
      },
    };
  }

  /** Requests to a service of the cluster, for as long as its port is forwarded. */
  async http<Result>(service: string, port: number, use: (send: Send) => Promise<Result>): Promise<Result> {
    let reached = false;
    try {
      return await this.kubectl.forward(service, port, (address) => {
        reached = true;
        return use((...request) => send(service, address, ...request));
      });
    } catch (error) {
      throw reached ? error : new Untouched((error as Error).message);
    }
  }
}

/** `arangodb-bootstrap-c1cad08f` is from `arangodb-bootstrap`. */
const isFrom = (name: string, job: string) => name.replace(/-[0-9a-f]{8}$/, '') === job;

interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: every service answers in its own way, and what is read of it is checked
  readonly body: any;
}

type Send = (method: string, path: string, login: Readonly<Record<string, string>>, body?: object) => Promise<Answer>;

/** The answer to one request. Throws a Refusal when there is none, which names neither the login nor the body. */
async function send(service: string, address: string, ...[method, path, login, body]: Parameters<Send>): Promise<Answer> {
  let status: number;
  let text: string;
  try {
    const answer = await fetch(`http://${address}${path}`, {
      method,
      headers: { ...login, 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(20_000),
      redirect: 'error',
    });
    status = answer.status;
    text = await answer.text();
  } catch {
    throw new Refusal(`${service} does not answer through the forwarded port: see npm run status whether it is ready`);
  }
  try {
    return { status, body: JSON.parse(text) };
  } catch {
    return { status, body: undefined };
  }
}

const basic = (user: string, password: string) => ({ authorization: `Basic ${base64(`${user}:${password}`)}` });
const token = (value: string) => ({ 'x-consul-token': value });

/** Throws a Refusal unless the request succeeded. What the service said is left out: it may repeat what it was sent. */
function must({ status }: Answer, service: string, what: string): void {
  if (status === 200) return;
  throw new (status < 500 ? Untouched : Refusal)(`${service} answered ${status} when it was to ${what}: its log tells why`);
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
    const { status } = await send('GET', '/api/user', basic('admin', to));
    if (status !== 200) throw new Untouched(stranger('grafana', 'grafana/admin-password'));
  });
}

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
    return answer.body?.AccessorID;
  });
}

/** Waits until Consul knows the new management token, and then deletes the old one. */
async function deleteOld(rotation: Rotation, id: string): Promise<void> {
  const end = performance.now() + SOON * 1000;
  for (;;) {
    const known = await rotation
      .http('consul', 8500, async (send) => (await send('GET', '/v1/acl/token/self', token(rotation.new))).status === 200)
      .catch(() => false);
    if (known) break;
    if (performance.now() > end)
      throw new Refusal(`consul does not know the new management token ${SOON} s after its restart: its log tells why`);
    await pause(1000);
  }
  await rotation.http('consul', 8500, async (send) =>
    must(await send('DELETE', `/v1/acl/token/${id}`, token(rotation.new)), 'consul', 'delete the old token'),
  );
}

/** Workloads that hold the value as a variable for as long as they run. */
const variables = ({ as }: Reader) => as === 'variable';

/** A Redis reads its password when it starts; then come those who log in to it. */
const redis = (server: string, meanwhile: string): Way => ({
  meanwhile,
  steps: (rotation) => [
    rotation.store(),
    ...rotation.restart(({ name }) => name === server),
    ...rotation.restart(({ name }) => name !== server),
  ],
});

/** Set in ArangoDB or Consul by a Job that reads the Secret; then come those who hold it as a variable. */
const byJob = (job: string, meanwhile: string, chosen = variables): Way => ({
  meanwhile,
  steps: (rotation) => [rotation.store(), rotation.again(job), ...rotation.restart(chosen)],
});

/** Two halves of one login: where the file has both, both change. */
const bucket = (other: string): Way => ({
  meanwhile: 'Traces and logs wait in the collector meanwhile. The old keys stay valid until their store forgets them.',
  steps: (rotation) => [rotation.store(other), ...rotation.restart(() => true)],
});

const FOLLOWS =
  'Nothing restarts: Prometheus reads the file at each scrape, and the file follows the Secret within two minutes. Until then those scrapes fail.';

/** Every key of settings/secrets.ts, and what its service allows, or why it allows nothing. */
const ways: { readonly [Name in keyof typeof listed]: Readonly<Record<keyof (typeof listed)[Name]['keys'], Way | string>> } = {
  arangodb: {
    'root-password': {
      meanwhile: 'Whoever holds the old one cannot log in as root until it has restarted.',
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
      meanwhile: 'Nothing restarts. Who is logged in may have to log in again.',
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
