import { type Build, build } from '../build.ts';
import type { Settings } from '../charts/settings.ts';
import type { Manifest } from '../lib/render.ts';
import { profileNamed, profiles } from '../settings/index.ts';
import { UserError } from './user-error.ts';

/** A profile, and the objects that `synth` writes for it. */
export interface Profile extends Build {
  readonly name: string;
  readonly settings: Settings;
  readonly namespace: string;
  /** Every object except those of the smoke test, in the order in which they are applied. */
  readonly objects: readonly Manifest[];
}

/** Builds the profile of that name. Throws a UserError when it does not exist, or its settings or objects have errors. */
export function profileOf(name: string | undefined): Profile {
  if (name === undefined) throw new UserError(`choose a profile: --profile ${Object.keys(profiles).join(' or --profile ')}`);
  let settings: Settings;
  try {
    settings = profileNamed(name);
  } catch (error) {
    throw new UserError((error as Error).message);
  }
  const built = build(settings);
  if (built.findings.length > 0) throw new UserError(built.findings.join('\n'));
  const objects = [...built.setup, ...built.platform, ...built.externalSecrets];
  return { ...built, name, settings, namespace: settings.shared.namespace, objects };
}
