import type { Manifest } from '../../lib/render.ts';
import type { SecretRef } from '../../lib/secret.ts';
import type { Kubectl } from '../kubectl.ts';
import type { Profile } from '../profile.ts';
import { UserError } from '../user-error.ts';
import { VARIABLES } from './env-file.ts';
import { generate, needed, type SecretValues } from './generate.ts';

/** What became of one Secret. */
export type SecretOutcome = 'created' | 'unchanged' | { readonly added: readonly string[] };

interface Ensured {
  readonly outcomes: ReadonlyMap<string, SecretOutcome>;
  /** Keys that hold another value than the one that was given: `secret/key`. */
  readonly kept: readonly string[];
}

/** Creates the Secrets of the profile that are missing and adds the keys that are missing. Never changes a key that is there. */
export async function ensure(kubectl: Kubectl, profile: Profile, given: SecretValues): Promise<Ensured> {
  const wanted = needed(profile);
  const there = await read(
    kubectl,
    wanted.map(({ name }) => name),
  );
  const missing = wanted.map((secret) => {
    const keys = there.get(secret.name)?.data ?? {};
    return [secret, Object.keys(secret.keys).filter((key) => !(key in keys))] as const;
  });
  refuseUnknown(missing, given, profile.name);

  const fresh = missing.filter(([{ name }]) => !there.has(name));
  if (fresh.length > 0) await create(kubectl, profile.namespace, profile.name, manifestsOf(profile, fresh, given));
  for (const [secret, keys] of missing) {
    const before = there.get(secret.name);
    if (before && keys.length > 0) await change(kubectl, before, Object.fromEntries(valuesOf(secret, keys, given)));
  }

  const outcomes = missing.map(([{ name }, keys]) => {
    const added = keys.length > 0 ? { added: keys } : 'unchanged';
    return [name, there.has(name) ? added : 'created'] as const;
  });
  const kept = [...given].filter(([path, value]) => {
    const [name = '', key = ''] = path.split('/');
    const held = there.get(name)?.data?.[key];
    return held !== undefined && held !== base64(value);
  });
  return { outcomes: new Map(outcomes), kept: kept.map(([path]) => path) };
}

/** The complete Secrets of the profile, every value new that is not given. */
export function complete(profile: Profile, given: SecretValues): readonly Manifest[] {
  const all = needed(profile).map((secret) => [secret, Object.keys(secret.keys).sort()] as const);
  refuseUnknown(all, given, profile.name);
  return manifestsOf(profile, all, given);
}

/** The Secrets of these names that are there. */
export async function read(kubectl: Kubectl, names: readonly string[]): Promise<ReadonlyMap<string, Manifest>> {
  const found = await kubectl.objects(['get', 'secret', ...names, '--ignore-not-found']);
  return new Map(found.map((secret) => [secret.metadata.name, secret]));
}

/**
 * Sets keys of a Secret, or removes those that are undefined, unless somebody changed it since it was read. Returns what it is now.
 * It goes back as a whole with the version that was read: kubectl takes a patch from a file or an argument only.
 */
export async function change(kubectl: Kubectl, secret: Manifest, keys: Readonly<Record<string, string | undefined>>): Promise<Manifest> {
  const set = Object.entries(keys).map(([key, value]) => [key, value === undefined ? undefined : base64(value)]);
  const stdin = JSON.stringify({ ...secret, data: { ...secret.data, ...Object.fromEntries(set) } });
  try {
    const [now = secret] = await kubectl.objects(['replace', '--filename=-'], { stdin });
    return now;
  } catch (error) {
    if (!/object has been modified/.test((error as Error).message)) throw error;
    throw new UserError(`somebody else changed the Secret ${secret.metadata.name} at the same time: nothing was overwritten, run it again`);
  }
}

export const base64 = (value: string): string => Buffer.from(value).toString('base64');

/** Only the user knows some values: they are asked for before anything is created. */
function refuseUnknown(missing: readonly (readonly [SecretRef, readonly string[]])[], given: SecretValues, profile: string): void {
  const unknown = missing.flatMap(([{ name, keys: all }, keys]) =>
    keys.filter((key) => all[key]?.format === 'given' && !given.has(`${name}/${key}`)).map((key) => `${name}/${key}`),
  );
  if (unknown.length === 0) return;
  const variables = unknown.map((path) => Object.keys(VARIABLES).find((variable) => VARIABLES[variable]?.includes(path)));
  throw new UserError(
    `only you know ${unknown.join(' and ')}: write ${variables.join(' and ')} into an env file, and give it with npm run secrets -- --profile ${profile} --from-env FILE`,
  );
}

function valuesOf({ name, keys }: SecretRef, missing: readonly string[], given: SecretValues): [string, string][] {
  return missing.map((key) => {
    const format = keys[key]?.format ?? 'given';
    const value = given.get(`${name}/${key}`) ?? (format === 'given' ? undefined : generate[format]());
    if (value === undefined) throw new UserError(`only you know ${name}/${key}`);
    return [key, value];
  });
}

function manifestsOf(
  profile: Profile,
  secrets: readonly (readonly [SecretRef, readonly string[]])[],
  given: SecretValues,
): readonly Manifest[] {
  return secrets.map(([secret, keys]) => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: secret.name, namespace: profile.namespace, labels: profile.settings.shared.labels },
    type: 'Opaque',
    stringData: Object.fromEntries(valuesOf(secret, keys, given)),
  }));
}

/** Creates all of them; unlike apply, it fails where one is there. */
async function create(kubectl: Kubectl, namespace: string, profile: string, secrets: readonly Manifest[]): Promise<void> {
  const stdin = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: secrets });
  try {
    await kubectl.run(['create', '--filename=-'], { stdin });
  } catch (error) {
    const said = (error as Error).message;
    if (/namespaces "[^"]*" not found/.test(said)) {
      throw new UserError(
        `the namespace ${namespace} is not there: npm run up -- --profile ${profile} makes it, or kubectl apply --server-side -f dist/${profile}/setup`,
      );
    }
    const made = /secrets "([^"]*)" already exists/.exec(said)?.[1];
    if (made) throw new UserError(`somebody else made the Secret ${made} at the same time: nothing was overwritten, run it again`);
    throw error;
  }
}
