import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { text } from '../lib/render.ts';
import { command } from './command.ts';
import { confirmedContext } from './confirm.ts';
import { Kubectl } from './kubectl.ts';
import { Live } from './output.ts';
import { type Profile, profileOf } from './profile.ts';
import { complete, ensure, type SecretOutcome } from './secrets/ensure.ts';
import { type EnvFile, envFile } from './secrets/env-file.ts';
import { needed } from './secrets/generate.ts';
import { rotate } from './secrets/rotate.ts';
import { UserError } from './user-error.ts';

/** Creates the Secrets that a profile's pods read. */
export const secrets = command(
  'secrets',
  'create the missing Secrets, or rotate a key',
  `Overwrites no existing key, except with --rotate. Writes no value to disk, to a
log or to the arguments of a process. An env file gives ARANGO_ROOT_PASSWORD,
ARANGO_PASSWORD, REDIS_PASSWORD, S3_ACCESS_KEY and S3_SECRET_KEY.

  npm run secrets -- --profile dev
  npm run secrets -- --profile dev --from-env .env
  npm run --silent secrets -- --profile prod --from-env .env --print | kubeseal --format yaml > sealed.yaml
  npm run secrets -- --profile dev --rotate redis/password`,
)
  .option('--from-env <file>', 'take values from an env file, and generate the others')
  .option('--print', 'print all Secrets as YAML, to seal or to put into a store; contacts no cluster')
  .option('--rotate <secret/key>', 'give a key a new value, and take the steps that its service needs')
  .option('--yes', 'with --rotate: do not ask for confirmation')
  .option('--anyway', 'create them even if the External Secrets Operator does')
  .action(async (options) => {
    process.exitCode = await manageSecrets(options);
  });

/** The options of `secrets`. */
export type SecretsOptions = ReturnType<typeof secrets.opts>;

async function connect(profile: Profile, context: string | undefined): Promise<Kubectl> {
  const effect = (each: string) => `This creates Secrets of ${profile.name} in the cluster of context "${each}"`;
  return new Kubectl(await confirmedContext(context, effect), profile.namespace);
}

/** Prints, rotates or creates Secrets. Returns the exit status: 1 if the env file contradicts an existing key. */
export async function manageSecrets(options: SecretsOptions, connectTo = connect): Promise<number> {
  const { json = false, print, rotate: path, yes = false } = options;
  const profile = profileOf(options.profile);
  if (print && path !== undefined) throw new UserError('--print and --rotate exclude each other: give one of them');
  if (yes && path === undefined) throw new UserError('--yes needs --rotate SECRET/KEY');
  const { values, notes }: EnvFile =
    options.fromEnv === undefined ? { values: new Map(), notes: [] } : readEnvFile(options.fromEnv, profile);

  if (print) {
    const manifests = complete(profile, values);
    for (const note of notes) console.error(note);
    console.error('these values are secret and newly generated: seal them or put them into the store, and keep no other copy');
    process.stdout.write(json ? `${JSON.stringify({ apiVersion: 'v1', kind: 'List', items: manifests })}\n` : text(manifests));
    return 0;
  }
  if (profile.settings.externalSecrets && !options.anyway) throw new UserError(operatorConflict(profile, path !== undefined));
  const kubectl = await connectTo(profile, options.context);
  const { context } = kubectl;
  const live = new Live(json);
  for (const note of notes) live.log(`note      ${note}`);
  if (path !== undefined) {
    const steps = await rotate(kubectl, profile, path, { given: values, yes, log: (line) => live.log(line) });
    live.log(`rotated   ${path}`);
    if (json) console.log(JSON.stringify({ profile: profile.name, context, rotated: path, steps, notes }));
    return 0;
  }
  const { outcomes, kept } = await ensure(kubectl, profile, values);
  const lines = [
    ...needed(profile).flatMap(({ name, keys }) => describe(name, Object.keys(keys).length, outcomes.get(name) ?? 'unchanged')),
    ...kept.map((each) => `kept      ${each}: the env file has another value, which --rotate ${each} --from-env FILE would apply`),
  ];
  live.log(lines.join('\n'));
  if (json) console.log(JSON.stringify({ profile: profile.name, context, secrets: Object.fromEntries(outcomes), kept, notes }));
  return kept.length > 0 ? 1 : 0;
}

/** Reads an env file. Throws a UserError when it cannot be read or has errors. */
function readEnvFile(file: string, profile: Profile): EnvFile {
  let content: string;
  try {
    // npm runs scripts in the project's folder, and sets INIT_CWD to the folder that it was called in.
    content = readFileSync(resolve(process.env.INIT_CWD ?? '.', file), 'utf8');
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    const reason = { ENOENT: 'it does not exist', EACCES: 'you may not read it', EISDIR: 'it is a folder' }[code] ?? 'it cannot be read';
    throw new UserError(`--from-env ${file}: ${reason}; give a file of NAME=value lines`);
  }
  return envFile(content, file, profile, needed(profile));
}

function operatorConflict({ name }: Profile, isRotation: boolean): string {
  const action = isRotation ? 'change the value in its store' : 'put the values into its store (--print generates some)';
  return `the External Secrets Operator creates the Secrets of the profile ${name} (settings.externalSecrets): ${action}; if you do not use the operator, remove externalSecrets from the profile or give --anyway`;
}

function describe(name: string, count: number, outcome: SecretOutcome): readonly string[] {
  if (outcome === 'created') return [`created   ${name} (${count} key${count === 1 ? '' : 's'})`];
  if (outcome === 'unchanged') return [`unchanged ${name}`];
  return outcome.added.map((key) => `added     ${name}/${key}`);
}
