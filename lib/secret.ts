import type { k8s } from 'cdk8s-plus-27';
import type { Mount } from './mount.ts';

/**
 * The format of a key's value.
 * `password` and `key`: 32 random bytes as base64url, which needs no escaping in a URL.
 * `gossip`: 32 random bytes as base64, for Consul. `uuid`: a random UUID. `given`: comes from outside the platform.
 */
export type SecretFormat = 'password' | 'key' | 'gossip' | 'uuid' | 'given';

/** One key of a Secret. */
export interface SecretKey {
  readonly format: SecretFormat;
  /** What it is for. */
  readonly purpose: string;
  /** Names of the workloads that read it. */
  readonly readers: readonly string[];
}

/** A reference to a Secret. Its values are never in this program. */
export class SecretRef<Key extends string = string> {
  constructor(
    readonly name: string,
    readonly keys: Readonly<Record<Key, SecretKey>>,
  ) {}

  /** The key as the value of an environment variable. */
  env(key: Key): k8s.EnvVarSource {
    return { secretKeyRef: { name: this.name, key } };
  }

  /** The path of the key's file in a container with `mount`. */
  path(key: Key): string {
    return `/run/secrets/${this.name}/${key}`;
  }

  /** Mounts only these keys, as files that the pod's group can read. */
  mount(...keys: readonly Key[]): Mount {
    const items = keys.map((key) => ({ key, path: key }));
    return {
      path: `/run/secrets/${this.name}`,
      name: `secret-${this.name}`,
      readOnly: true,
      volume: { secret: { secretName: this.name, defaultMode: 0o440, items } },
    };
  }
}

/** Creates a reference to each Secret of a list, by name. */
export function secretRefs<List extends Readonly<Record<string, Readonly<Record<string, SecretKey>>>>>(
  list: List,
): { readonly [Name in keyof List]: SecretRef<Extract<keyof List[Name], string>> } {
  const refs = Object.entries(list).map(([name, keys]) => [name, new SecretRef(name, keys)]);
  return Object.fromEntries(refs);
}
