import { App } from 'cdk8s';
import { platform } from '../charts/index.ts';
import { type Manifest, manifests } from '../lib/render.ts';
import { profileNamed, profiles, type Settings } from '../settings/index.ts';
import { validate } from '../settings/validate.ts';
import { UserError } from './user-error.ts';

/** A profile, and what `synth` writes for it. */
export interface Profile {
  readonly name: string;
  readonly settings: Settings;
  readonly namespace: string;
  /** The objects of each file, by its path below the profile's folder, in the order in which they are applied. */
  readonly files: ReadonlyMap<string, readonly Manifest[]>;
  /** The Job that checks the others, and what comes with it: here for a minute, and only when it is asked for. */
  readonly smoke: readonly Manifest[];
}

/** The profile of that name. Throws a UserError when there is none, or its settings contradict themselves. */
export function profileOf(name: string | undefined): Profile {
  if (name === undefined)
    throw new UserError(
      `say which profile: ${Object.keys(profiles)
        .map((each) => `--profile ${each}`)
        .join(' or ')}`,
    );
  let settings: Settings;
  try {
    settings = profileNamed(name);
  } catch (error) {
    throw new UserError((error as Error).message);
  }
  const app = new App();
  const problems = validate(settings);
  if (problems.length === 0) platform(app, settings);
  const findings = [...problems, ...app.node.validate()];
  if (findings.length > 0) throw new UserError(findings.join('\n'));
  const all = [...manifests(app)];
  const isSmoke = ([file]: (typeof all)[number]) => file.startsWith('smoke/');
  return {
    name,
    settings,
    namespace: settings.shared.namespace,
    files: new Map(all.filter((each) => !isSmoke(each))),
    smoke: all.filter(isSmoke).flatMap(([, objects]) => objects),
  };
}
