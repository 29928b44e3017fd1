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
  return { name, settings, namespace: settings.shared.namespace, files: manifests(app) };
}
