import type { Manifest } from '../../lib/render.ts';
import type { SecretFormat } from '../../lib/secret.ts';
import { apply } from '../cluster.ts';
import type { Kubectl } from '../kubectl.ts';
import type { Profile } from '../profile.ts';
import { TIMEOUTS } from '../timeouts.ts';
import { UserError } from '../user-error.ts';
import { base64, change, read } from './ensure.ts';
import { newValue, type Reader } from './generate.ts';
import type { SecretValues } from './variables.ts';

/** A step that failed before it changed anything. */
export class Untouched extends UserError {}

/** One step of a rotation. `undo` runs when a later step fails before the Secret has the new value. */
export interface RotationStep {
  readonly description: string;
  readonly run: () => Promise<void>;
  readonly undo?: () => Promise<void>;
  /** Puts the new value into the Secret: no step is undone after this one. */
  readonly stores?: boolean;
}

/** `statefulset/redis`, as an argument of kubectl */
export const refOf = ({ kind, name }: Pick<Reader, 'kind' | 'name'>): string => `${kind.toLowerCase()}/${name}`;

/** The rotation of one key from its old value to a new one. */
export class Rotation {
  readonly old: string;
  readonly new: string;
  /** An earlier attempt has left its new value in the Secret, and the service may already have it. */
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
    const path = `${secret.metadata.name}/${key}`;
    const value = newValue(path, format, given);
    this.key = key;
    this.old = this.value(key);
    this.resumed = this.pendingKey in secret.data;
    this.new = this.resumed ? this.value(this.pendingKey) : value;
    if (this.new === this.old && !this.resumed) throw new UserError(`${path} already has the value of the env file: nothing was changed`);
  }

  /** The value of a key of the same Secret. */
  value(key: string): string {
    const value = this.secret.data[key];
    if (value !== undefined) return Buffer.from(value, 'base64').toString();
    throw new UserError(
      `the rotation needs ${this.secret.metadata.name}/${key}, which does not exist: create it with npm run secrets -- --profile ${this.profile.name}`,
    );
  }

  /** The key that holds the new value until the service has it, so that a crash between two steps loses no value. */
  private get pendingKey(): string {
    return `${this.key}.new`;
  }

  /** Saves the new value in the Secret beside the old one. */
  keep(service: string): RotationStep {
    return {
      description: `save the new value in the Secret as ${this.pendingKey} until ${service} has it`,
      run: async () => {
        if (!this.resumed) this.secret = await change(this.kubectl, this.secret, { [this.pendingKey]: this.new });
      },
      // The service may have the value of an earlier attempt, so that one stays for the next attempt.
      undo: async () => {
        if (!this.resumed) await change(this.kubectl, this.secret, { [this.pendingKey]: undefined }).catch(() => undefined);
      },
    };
  }

  /** Puts the new value into the Secret, with given values of other keys that change with it. */
  store(...others: readonly string[]): RotationStep {
    const { name } = this.secret.metadata;
    const also = others.flatMap((key) => {
      const value = this.given.get(`${name}/${key}`);
      return value === undefined ? [] : [[key, value] as const];
    });
    const keys = [this.key, ...also.map(([key]) => key)];
    return {
      description: `put the new value${keys.length > 1 ? 's' : ''} into the Secret: ${keys.map((key) => `${name}/${key}`).join(' and ')}`,
      stores: true,
      run: async () => {
        const values = { ...Object.fromEntries(also), [this.key]: this.new, [this.pendingKey]: undefined };
        try {
          this.secret = await change(this.kubectl, this.secret, values);
        } catch (error) {
          // The write may have succeeded although its response was lost.
          const current = (await read(this.kubectl, [name]).catch(() => undefined))?.get(name);
          if (current?.data?.[this.key] !== base64(this.new)) throw error;
        }
      },
    };
  }

  /** Restarts the selected readers of the key and waits for them. No step when none of them exists. */
  restart(isSelected: (reader: Reader) => boolean): readonly RotationStep[] {
    const workloads = [...new Set(this.readers.filter(isSelected).map(refOf))];
    if (workloads.length === 0) return [];
    return [
      {
        description: `restart ${workloads.map((each) => each.replace(/^\w+\//, '')).join(', ')} and wait`,
        run: async () => {
          await this.kubectl.run(['rollout', 'restart', ...workloads]);
          for (const each of workloads) await this.wait(['rollout', 'status', each]);
        },
      },
    ];
  }

  /** Runs a Job of the profile again, which sets the value from the Secret in the service. */
  rerun(job: string): RotationStep {
    const found = this.profile.objects.find(({ kind, metadata }) => kind === 'Job' && withoutHash(metadata.name) === job);
    if (!found) throw new UserError(`the profile ${this.profile.name} has no Job ${job}-…, which sets this value in its service`);
    const { name } = found.metadata;
    return {
      description: `run the Job ${name} again, which sets the new value in the service, and wait`,
      run: async () => {
        await this.wait(['delete', 'job', name, '--ignore-not-found', '--cascade=foreground'], TIMEOUTS.jobDeletion);
        await apply(this.kubectl, [found]);
        await this.wait(['wait', '--for=condition=complete', `job/${name}`]);
      },
    };
  }

  private async wait(args: readonly string[], seconds: number = TIMEOUTS.rollout): Promise<void> {
    await this.kubectl.run([...args, `--timeout=${seconds}s`], { seconds: seconds + 10 });
  }

  /** Calls `use` with a function that sends requests to a service, through a port-forward. The port has the Service's name. */
  async http<Result>(service: string, use: (send: Send) => Promise<Result>): Promise<Result> {
    let isConnected = false;
    try {
      return await this.kubectl.forward(service, service, (address) => {
        isConnected = true;
        return use((...request) => send(service, address, ...request));
      });
    } catch (error) {
      throw isConnected ? error : new Untouched((error as Error).message);
    }
  }
}

/** `arangodb-bootstrap-c1cad08f` → `arangodb-bootstrap` */
const withoutHash = (name: string) => name.replace(/-[0-9a-f]{8}$/, '');

/** A service's response. */
export interface JsonResponse {
  readonly status: number;
  /** The parsed JSON object or list. Undefined when the body is neither. */
  readonly body: unknown;
}

type Send = (method: string, path: string, login: Readonly<Record<string, string>>, body?: object) => Promise<JsonResponse>;

/** Sends one request. Throws a UserError without the login and the body when there is no response. */
async function send(service: string, address: string, ...[method, path, login, body]: Parameters<Send>): Promise<JsonResponse> {
  const request = {
    method,
    headers: { ...login, 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(TIMEOUTS.credential * 1000),
    redirect: 'error' as const,
  };
  try {
    const response = await fetch(`http://${address}${path}`, request);
    const text = await response.text();
    return { status: response.status, body: /^\s*[[{]/.test(text) ? JSON.parse(text) : undefined };
  } catch {
    throw new UserError(`${service} does not respond through the forwarded port: check with npm run status whether it is ready`);
  }
}
