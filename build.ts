import { dirname } from 'node:path';
import { App } from 'cdk8s';
import { platform } from './charts/index.ts';
import type { Settings } from './charts/settings.ts';
import { validate } from './charts/validate.ts';
import { type Manifest, manifests } from './lib/render.ts';
import { check } from './rules/index.ts';

/** The objects of one installation, in the order in which they are applied. */
export interface Build {
  /** Every object by its file, relative to dist/PROFILE. */
  readonly files: ReadonlyMap<string, readonly Manifest[]>;
  /** Applied first: the namespace, its limits and the disks of Deployments. `down` keeps only the namespace and the disks. */
  readonly setup: readonly Manifest[];
  /** The services themselves. */
  readonly platform: readonly Manifest[];
  /** Makes the Secrets, where the External Secrets Operator is used. */
  readonly externalSecrets: readonly Manifest[];
  /** The Job that tests the others, applied only on request. */
  readonly smoke: readonly Manifest[];
  /** Errors in the settings or the objects, a sentence each. Without valid settings there are no objects. */
  readonly findings: readonly string[];
}

/** Validates the settings, renders the platform that they describe and checks it against the rules. */
export function build(settings: Settings): Build {
  const problems = validate(settings);
  const app = new App();
  const facts = problems.length === 0 ? platform(app, settings) : undefined;
  const files = manifests(app);
  const inFolder = (folder: string) => [...files].flatMap(([file, objects]) => (dirname(file) === folder ? objects : []));
  return {
    files,
    setup: inFolder('setup'),
    platform: inFolder('.'),
    externalSecrets: inFolder('external-secrets'),
    smoke: inFolder('smoke'),
    findings: facts ? [...app.node.validate(), ...check(files, facts)] : problems,
  };
}
