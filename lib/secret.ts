import type { k8s } from 'cdk8s-plus-27';
import type { Mount } from './mount.ts';

/**
 * What a key holds, and so who can make it:
 * `password` 32 random bytes as base64url, which any URL carries as it is; `key` the same, for signing;
 * `gossip` 32 random bytes as base64, as Consul wants it; `uuid` a random UUID; `given` only the user knows it.
 */
export type SecretFormat = 'password' | 'key' | 'gossip' | 'uuid' | 'given';

/** One key of a Secret. */
export interface SecretKey {
  readonly format: SecretFormat;
  /** What it opens. */
  readonly purpose: string;
  /** The workloads that read it. */
  readonly readers: readonly string[];
}

/** A Secret by reference: no function here takes or returns a value. */
export class SecretRef<Key extends string = string> {
  constructor(
    readonly name: string,
    readonly keys: Readonly<Record<Key, SecretKey>>,
  ) {}

  /** The key as an environment variable. */
  env(key: Key): k8s.EnvVarSource {
    return { secretKeyRef: { name: this.name, key } };
  }

  /** Where `mount` puts the key: a file without a newline at its end. */
  path(key: Key): string {
    return `/run/secrets/${this.name}/${key}`;
  }

  /** Exactly these keys as files, readable by the pod's group only. */
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

/** Names every entry of a list of secrets by its key in the list. */
export function secretRefs<List extends Readonly<Record<string, Readonly<Record<string, SecretKey>>>>>(
  list: List,
): { readonly [Name in keyof List]: SecretRef<Extract<keyof List[Name], string>> } {
  const refs = Object.entries(list).map(([name, keys]) => [name, new SecretRef(name, keys)]);
  return Object.fromEntries(refs);
}
