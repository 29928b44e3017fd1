import { App } from 'cdk8s';
import { platform } from '../charts/index.ts';
import { type Manifest, manifests } from '../lib/render.ts';
import { profileNamed, profiles, type Settings } from '../settings/index.ts';
import { refusals } from '../settings/refusals.ts';
import { Refusal } from './refusal.ts';

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

/** The profile of that name. Throws a Refusal when there is none, or its settings contradict themselves. */
export function profileOf(name: string | undefined): Profile {
  if (name === undefined)
    throw new Refusal(
      `say which profile: ${Object.keys(profiles)
        .map((each) => `--profile ${each}`)
        .join(' or ')}`,
    );
  let settings: Settings;
  try {
    settings = profileNamed(name);
  } catch (error) {
    throw new Refusal((error as Error).message);
  }
  const app = new App();
  const refused = refusals(settings);
  if (refused.length === 0) platform(app, settings);
  const findings = [...refused, ...app.node.validate()];
  if (findings.length > 0) throw new Refusal(findings.join('\n'));
  const all = [...manifests(app)];
  const visits = ([file]: (typeof all)[number]) => file.startsWith('smoke/');
  return {
    name,
    settings,
    namespace: settings.shared.namespace,
    files: new Map(all.filter((each) => !visits(each))),
    smoke: all.filter(visits).flatMap(([, objects]) => objects),
  };
}
