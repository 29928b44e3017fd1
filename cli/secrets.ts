import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { text } from '../lib/render.ts';
import type { Command } from './command.ts';
import { confirmedContext } from './confirm.ts';
import { Kubectl } from './kubectl.ts';
import { Live } from './output.ts';
import { type Profile, profileOf } from './profile.ts';
import { complete, ensure, type SecretOutcome } from './secrets/ensure.ts';
import { type EnvFile, envFile } from './secrets/env-file.ts';
import { needed, type SecretValues } from './secrets/generate.ts';
import { rotate } from './secrets/rotate.ts';
import { UserError } from './user-error.ts';

/** Makes the Secrets that a profile's pods read. */
export const secrets: Command = {
  summary: 'makes the Secrets that are missing, and changes one where the service allows it',
  help: `  --from-env FILE      takes values from an env file; the rest is generated
  --print              writes all Secrets as YAML, to be sealed or put into a store; asks no cluster
  --rotate SECRET/KEY  gives a key a new value, and takes the steps that its service needs for it
  --yes                with --rotate: does not ask
  --anyway             even where the External Secrets Operator makes them

A key that is there is never overwritten, except by --rotate. No value goes to the disk, the log or an argument.
An env file gives ARANGO_ROOT_PASSWORD, ARANGO_PASSWORD, REDIS_PASSWORD, S3_ACCESS_KEY and S3_SECRET_KEY.

  npm run secrets -- --profile dev
  npm run secrets -- --profile dev --from-env .env
  npm run --silent secrets -- --profile prod --from-env .env --print | kubeseal --format yaml > sealed.yaml
  npm run secrets -- --profile dev --rotate redis/password`,
  options: {
    'from-env': { type: 'string' },
    print: { type: 'boolean' },
    rotate: { type: 'string' },
    yes: { type: 'boolean' },
    anyway: { type: 'boolean' },
  },
  async run(values) {
    const { json = false, print, rotate: path, yes = false, anyway } = values;
    const profile = profileOf(values.profile);
    if (print && path !== undefined)
      throw new UserError('--print writes new Secrets and --rotate changes one that is there: give one of them');
    if (yes && path === undefined)
      throw new UserError('--yes answers what --rotate asks: give it with --rotate SECRET/KEY, or leave it out');
    const file = typeof values['from-env'] === 'string' ? given(values['from-env'], profile) : { values: new Map(), notes: [] };

    if (print) {
      const all = complete(profile, file.values);
      for (const note of file.notes) console.error(note);
      console.error('these values are secret, and new each time: seal them, or put them into the store, and keep no other copy');
      process.stdout.write(json ? `${JSON.stringify({ apiVersion: 'v1', kind: 'List', items: all })}\n` : text(all));
      return 0;
    }
    if (profile.settings.externalSecrets && !anyway) throw new UserError(competing(profile, path !== undefined));
    const context = await confirmedContext(
      values.context,
      (each) => `Secrets of ${profile.name} are made in the cluster of context "${each}"`,
    );
    const kubectl = new Kubectl(context, profile.namespace);
    if (typeof path === 'string') {
      const live = new Live(json);
      for (const note of file.notes) live.say(note);
      const steps = await rotate(kubectl, profile, path, { given: file.values, yes: yes === true, say: (line) => live.say(line) });
      report([`rotated   ${path}`], { profile: profile.name, context, rotated: path, steps, notes: file.notes }, json);
      return 0;
    }
    const { outcomes, kept } = await ensure(kubectl, profile, file.values);
    const lines = [
      ...file.notes.map((note) => `note      ${note}`),
      ...needed(profile).flatMap(({ name, keys }) => words(name, Object.keys(keys).length, outcomes.get(name) ?? 'unchanged')),
      ...kept.map((each) => `kept      ${each}: the file has another value, which --rotate ${each} --from-env FILE puts in its place`),
    ];
    report(lines, { profile: profile.name, context, secrets: Object.fromEntries(outcomes), kept, notes: file.notes }, json);
    return kept.length > 0 ? 1 : 0;
  },
};

/** Creates the Secrets and keys of the profile that are missing, and says what became of each Secret. Changes no key that is there. */
export async function ensureSecrets(
  kubectl: Kubectl,
  profile: Profile,
  fromEnv: SecretValues = new Map(),
): Promise<ReadonlyMap<string, SecretOutcome>> {
  return (await ensure(kubectl, profile, fromEnv)).outcomes;
}

/** The values of an env file. Throws a UserError when it cannot be read, or should not be used. */
function given(file: string, profile: Profile): EnvFile {
  let content: string;
  try {
    // npm runs its scripts in the project's folder, and tells from which one it was called.
    content = readFileSync(resolve(process.env.INIT_CWD ?? '.', file), 'utf8');
  } catch (error) {
    const why = { ENOENT: 'it is not there', EACCES: 'you may not read it', EISDIR: 'it is a folder' }[
      (error as NodeJS.ErrnoException).code ?? ''
    ];
    throw new UserError(`--from-env ${file}: ${why ?? 'it cannot be read'}; name a file of NAME=value lines`);
  }
  return envFile(content, file, profile, needed(profile));
}

function competing({ name }: Profile, changes: boolean): string {
  const instead = changes ? 'change the value in its store' : 'put the values into its store, for which --print makes some';
  return `the External Secrets Operator makes the Secrets of the profile ${name} (settings.externalSecrets): ${instead}; without the operator, take externalSecrets out of the profile or give --anyway`;
}

function words(name: string, count: number, outcome: SecretOutcome): readonly string[] {
  if (outcome === 'created') return [`created   ${name} (${count} key${count === 1 ? '' : 's'})`];
  if (outcome === 'unchanged') return [`unchanged ${name}`];
  return outcome.added.map((key) => `added     ${name}/${key}`);
}

/** Lines for a person, or one object for a program. */
function report(lines: readonly string[], answer: object, json: boolean): void {
  if (json) console.log(JSON.stringify(answer));
  else new Live(false).say(lines.join('\n'));
}
