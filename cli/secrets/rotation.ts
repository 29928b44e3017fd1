import type { Manifest } from '../../lib/render.ts';
import type { SecretFormat } from '../../lib/secret.ts';
import { apply } from '../cluster.ts';
import type { Kubectl } from '../kubectl.ts';
import type { Profile } from '../profile.ts';
import { UserError } from '../user-error.ts';
import { base64, change, read } from './ensure.ts';
import { VARIABLES } from './env-file.ts';
import { generate, type Reader, type SecretValues } from './generate.ts';

/** Seconds that a rollout or a Job may take. */
const ROLLOUT_TIMEOUT = 900;
/** Why a step did nothing at all. */
export class Untouched extends UserError {}

/** One thing that is done, and how it is taken back when a later one fails before the Secret has the new value. */
export interface RotationStep {
  readonly words: string;
  readonly run: () => Promise<void>;
  readonly undo?: () => Promise<void>;
  /** From here on the new value counts, and nothing is taken back. */
  readonly final?: boolean;
}

/** A workload that runs in the cluster. */
type WorkloadRef = Pick<Reader, 'kind' | 'name'>;

/** `statefulset/redis`, as kubectl takes it. */
export const called = ({ kind, name }: WorkloadRef): string => `${kind.toLowerCase()}/${name}`;

/** One key on its way from the old value to the new. */
export class Rotation {
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
      throw new UserError(`only you know ${path}: write ${variable} into an env file, and give it with --from-env FILE`);
    }
    this.key = key;
    this.old = this.value(key);
    this.resumed = this.beside in secret.data;
    this.new = this.resumed ? this.value(this.beside) : value;
    if (this.new === this.old && !this.resumed) throw new UserError(`${path} has the value of the file already: nothing was changed`);
  }

  /** Another key of the same Secret. */
  value(key: string): string {
    const value = this.secret.data[key];
    if (value === undefined) {
      throw new UserError(
        `${this.secret.metadata.name}/${key} is not there, and it is needed for this: npm run secrets -- --profile ${this.profile.name} makes it`,
      );
    }
    return Buffer.from(value, 'base64').toString();
  }

  /** Where the new value waits, so that no crash between two steps can lose the only copy. */
  private get beside(): string {
    return `${this.key}.new`;
  }

  keep(service: string): RotationStep {
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
  store(...others: readonly string[]): RotationStep {
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
  restart(chosen: (reader: Reader) => boolean): readonly RotationStep[] {
    const workloads = [...new Set(this.readers.filter(chosen).map(called))];
    if (workloads.length === 0) return [];
    return [
      {
        words: `restarts ${workloads.map((each) => each.replace(/^\w+\//, '')).join(', ')} and waits`,
        run: async () => {
          await this.kubectl.run(['rollout', 'restart', ...workloads]);
          for (const each of workloads) {
            await this.kubectl.run(['rollout', 'status', each, `--timeout=${ROLLOUT_TIMEOUT}s`], { seconds: ROLLOUT_TIMEOUT + 10 });
          }
        },
      },
    ];
  }

  /** Runs the profile's Job of that name again: it brings what the Secret says into the service. */
  rerun(job: string): RotationStep {
    const found = this.profile.objects.find(({ kind, metadata }) => kind === 'Job' && isFrom(metadata.name, job));
    if (!found) throw new UserError(`the profile ${this.profile.name} has no Job ${job}-…, which brings this value into its service`);
    const { name } = found.metadata;
    return {
      words: `runs the Job ${name} again, which brings the new value into the service, and waits`,
      run: async () => {
        await this.kubectl.run(['delete', 'job', name, '--ignore-not-found', '--cascade=foreground', '--timeout=60s'], { seconds: 70 });
        await apply(this.kubectl, [found]);
        await this.kubectl.run(['wait', '--for=condition=complete', `job/${name}`, `--timeout=${ROLLOUT_TIMEOUT}s`], {
          seconds: ROLLOUT_TIMEOUT + 10,
        });
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

/** What a service answered. */
export interface JsonResponse {
  readonly status: number;
  /** What its JSON holds; nothing when it is none. */
  readonly body: unknown;
}

type Send = (method: string, path: string, login: Readonly<Record<string, string>>, body?: object) => Promise<JsonResponse>;

/** The answer to one request. Throws a UserError when there is none, which names neither the login nor the body. */
async function send(service: string, address: string, ...[method, path, login, body]: Parameters<Send>): Promise<JsonResponse> {
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
    throw new UserError(`${service} does not answer through the forwarded port: see npm run status whether it is ready`);
  }
  try {
    return { status, body: JSON.parse(text) };
  } catch {
    return { status, body: undefined };
  }
}
