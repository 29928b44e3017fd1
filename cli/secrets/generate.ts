import { randomBytes, randomUUID } from 'node:crypto';
import { secrets as listed } from '../../charts/secrets.ts';
import { type Manifest, podOf } from '../../lib/render.ts';
import { type SecretFormat, SecretRef } from '../../lib/secret.ts';
import type { Profile } from '../profile.ts';
import { UserError } from '../user-error.ts';
import { type SecretValues, variableOf } from './variables.ts';

/** A workload that reads a key, as a variable, which is set when the container starts, or as a file, which follows the Secret. */
export interface Reader {
  readonly kind: string;
  readonly name: string;
  readonly secret: string;
  readonly key: string;
  readonly as: 'variable' | 'file';
}

/** Every reader of every key in these manifests. */
export function readers(objects: readonly Manifest[]): readonly Reader[] {
  return objects.flatMap((manifest) => {
    const pod = podOf(manifest);
    const reader = { kind: manifest.kind, name: manifest.metadata.name };
    const variables = (pod?.containers ?? []).flatMap(({ env = [] }) => env.flatMap(({ valueFrom }) => valueFrom?.secretKeyRef ?? []));
    const mounted = (pod?.volumes ?? []).flatMap(({ secret }) => (secret ? [secret] : []));
    return [
      ...variables.map(({ name, key }) => ({ ...reader, secret: name, key, as: 'variable' as const })),
      ...mounted.flatMap(({ secretName, items }) => items.map(({ key }) => ({ ...reader, secret: secretName, key, as: 'file' as const }))),
    ];
  });
}

/** The Secrets that the profile's pods read, with exactly the keys that they read. */
export function needed({ objects }: Pick<Profile, 'objects'>): readonly SecretRef[] {
  const read = new Set(readers(objects).map(({ secret, key }) => `${secret}/${key}`));
  return Object.values(listed).flatMap(({ name, keys }) => {
    const used = Object.entries(keys).filter(([key]) => read.has(`${name}/${key}`));
    return used.length > 0 ? [new SecretRef(name, Object.fromEntries(used))] : [];
  });
}

/** Generators of 256 random bits, or of a random UUID (122 bits) where the service requires one. */
export const generate: Readonly<Record<Exclude<SecretFormat, 'given'>, () => string>> = {
  password: () => randomBytes(32).toString('base64url'),
  key: () => randomBytes(32).toString('base64url'),
  gossip: () => randomBytes(32).toString('base64'),
  uuid: () => randomUUID(),
};

/** The given value of a key, or else a generated one. Throws a UserError when it cannot be generated. */
export function newValue(path: string, format: SecretFormat, given: SecretValues): string {
  const value = given.get(path) ?? (format === 'given' ? undefined : generate[format]());
  if (value !== undefined) return value;
  throw new UserError(`${path} cannot be generated: write ${variableOf(path)} into an env file, and give it with --from-env FILE`);
}
