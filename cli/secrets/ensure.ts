import type { Manifest } from '../../lib/render.ts';
import type { SecretRef } from '../../lib/secret.ts';
import { listOf } from '../cluster.ts';
import { ApiError, type Kubectl } from '../kubectl.ts';
import type { Profile } from '../profile.ts';
import { UserError } from '../user-error.ts';
import { needed, newValue } from './generate.ts';
import { type SecretValues, variableOf } from './variables.ts';

/** What happened to one Secret. */
export type SecretOutcome = 'created' | 'unchanged' | { readonly added: readonly string[] };

interface Ensured {
  readonly outcomes: ReadonlyMap<string, SecretOutcome>;
  /** Keys whose value differs from the given one: `secret/key`. */
  readonly kept: readonly string[];
}

/** A Secret, and those of its keys that get a value. */
type Missing = readonly [SecretRef, readonly string[]];

/** Creates the missing Secrets of the profile and adds missing keys. Never changes an existing key. */
export async function ensure(kubectl: Kubectl, profile: Profile, given: SecretValues = new Map()): Promise<Ensured> {
  const wanted = needed(profile);
  const names = wanted.map(({ name }) => name);
  const existing = await read(kubectl, names);
  const missing = wanted.map((secret): Missing => {
    const data = existing.get(secret.name)?.data ?? {};
    return [secret, Object.keys(secret.keys).filter((key) => !(key in data))];
  });
  requireGiven(missing, given, profile.name);

  const absent = missing.filter(([{ name }]) => !existing.has(name));
  if (absent.length > 0) await create(kubectl, profile, manifestsOf(profile, absent, given));
  for (const [secret, keys] of missing) {
    const found = existing.get(secret.name);
    if (found && keys.length > 0) await change(kubectl, found, valuesOf(secret, keys, given));
  }

  const outcomes = missing.map(([{ name }, keys]): [string, SecretOutcome] => {
    if (!existing.has(name)) return [name, 'created'];
    return [name, keys.length > 0 ? { added: keys } : 'unchanged'];
  });
  const kept = [...given].flatMap(([path, value]) => {
    const [name = '', key = ''] = path.split('/');
    const current = existing.get(name)?.data?.[key];
    return current === undefined || current === base64(value) ? [] : [path];
  });
  return { outcomes: new Map(outcomes), kept };
}

/** The complete Secrets of the profile, with a new value for every key that is not given. */
export function complete(profile: Profile, given: SecretValues): readonly Manifest[] {
  const all = needed(profile).map((secret): Missing => [secret, Object.keys(secret.keys).sort()]);
  requireGiven(all, given, profile.name);
  return manifestsOf(profile, all, given);
}

/** Reads those of the named Secrets that exist. */
export async function read(kubectl: Kubectl, names: readonly string[]): Promise<ReadonlyMap<string, Manifest>> {
  const found = await kubectl.objects(['get', 'secret', ...names, '--ignore-not-found']);
  return new Map(found.map((secret) => [secret.metadata.name, secret]));
}

/**
 * Sets keys of a Secret, or removes those that are undefined. Returns the new Secret. Throws a UserError when the Secret has changed
 * since it was read. Replaces the whole object, because kubectl takes a patch only from a file or an argument.
 */
export async function change(kubectl: Kubectl, secret: Manifest, keys: Readonly<Record<string, string | undefined>>): Promise<Manifest> {
  const encoded = Object.entries(keys).map(([key, value]) => [key, value === undefined ? undefined : base64(value)]);
  const stdin = JSON.stringify({ ...secret, data: { ...secret.data, ...Object.fromEntries(encoded) } });
  try {
    const [changed = secret] = await kubectl.objects(['replace', '--filename=-'], { stdin });
    return changed;
  } catch (error) {
    if (!(error instanceof ApiError && error.reason === 'Conflict')) throw error;
    throw new UserError(`the Secret ${secret.metadata.name} was changed at the same time: nothing was overwritten, run the command again`);
  }
}

export const base64 = (value: string): string => Buffer.from(value).toString('base64');

/** Throws a UserError, before anything is created, when a value is missing that cannot be generated. */
function requireGiven(missing: readonly Missing[], given: SecretValues, profile: string): void {
  const paths = missing.flatMap(([{ name, keys: formats }, keys]) =>
    keys.filter((key) => formats[key]?.format === 'given' && !given.has(`${name}/${key}`)).map((key) => `${name}/${key}`),
  );
  if (paths.length === 0) return;
  throw new UserError(
    `${paths.join(' and ')} cannot be generated: write ${paths.map(variableOf).join(' and ')} into an env file, and run npm run secrets -- --profile ${profile} --from-env FILE`,
  );
}

function valuesOf({ name, keys: formats }: SecretRef, keys: readonly string[], given: SecretValues): Readonly<Record<string, string>> {
  return Object.fromEntries(keys.map((key) => [key, newValue(`${name}/${key}`, formats[key]?.format ?? 'given', given)]));
}

function manifestsOf(profile: Profile, secrets: readonly Missing[], given: SecretValues): readonly Manifest[] {
  return secrets.map(([secret, keys]) => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: secret.name, namespace: profile.namespace, labels: profile.settings.shared.labels },
    type: 'Opaque',
    stringData: valuesOf(secret, keys, given),
  }));
}

/** Creates Secrets. Unlike apply, it fails if one exists. */
async function create(kubectl: Kubectl, { name, namespace }: Profile, secrets: readonly Manifest[]): Promise<void> {
  try {
    await kubectl.run(['create', '--filename=-'], { stdin: listOf(secrets) });
  } catch (error) {
    const reason = error instanceof ApiError ? error.reason : '';
    if (reason === 'NotFound')
      throw new UserError(
        `the namespace ${namespace} does not exist: create it with npm run up -- --profile ${name}, or with kubectl apply --server-side -f dist/${name}/setup`,
      );
    if (reason !== 'AlreadyExists') throw error;
    const existing = /secrets "([^"]+)"/.exec((error as Error).message)?.[1];
    throw new UserError(`the Secret ${existing} was created at the same time: nothing was overwritten, run the command again`);
  }
}
