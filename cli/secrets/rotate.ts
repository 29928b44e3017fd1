import { confirm } from '../confirm.ts';
import type { Kubectl } from '../kubectl.ts';
import type { Profile } from '../profile.ts';
import { UserError } from '../user-error.ts';
import { read } from './ensure.ts';
import { needed, type Reader, readers } from './generate.ts';
import { type Procedure, procedures } from './procedures.ts';
import { Rotation, type RotationStep, refOf, Untouched } from './rotation.ts';
import type { SecretValues } from './variables.ts';

interface Options {
  readonly given: SecretValues;
  /** Skips the confirmation. */
  readonly yes: boolean;
  readonly log: (line: string) => void;
}

/** Gives a key, `secret/key`, a new value. Returns the steps taken, a sentence each. */
export async function rotate(kubectl: Kubectl, profile: Profile, path: string, { given, yes, log }: Options): Promise<readonly string[]> {
  const keys = needed(profile).flatMap(({ name, keys }) =>
    Object.entries(keys).map(([key, { format }]) => ({ path: `${name}/${key}`, name, key, format })),
  );
  const found = keys.find((each) => each.path === path);
  if (!found)
    throw new UserError(`the profile ${profile.name} has no key "${path}": choose one of ${keys.map((each) => each.path).join(', ')}`);
  const { name, key, format } = found;
  const procedure = (procedures as Readonly<Record<string, Readonly<Record<string, Procedure | string>>>>)[name]?.[key];
  if (typeof procedure !== 'object')
    throw new UserError(procedure ?? `${path} has no rotation procedure: add one to cli/secrets/procedures.ts`);
  const secret = (await read(kubectl, [name])).get(name);
  if (secret?.data?.[key] === undefined)
    throw new UserError(
      `${path} does not exist in the namespace ${profile.namespace}: create it with npm run secrets -- --profile ${profile.name}`,
    );

  const rotation = new Rotation(kubectl, profile, secret, { key, format }, await runningReaders(kubectl, profile, path), given);
  const steps = await procedure.steps(rotation);
  const plan = [
    `${path} gets a new value${rotation.resumed ? ', from the last attempt' : ''}:`,
    ...steps.map(({ description }, at) => `  ${at + 1}. ${description}`),
    procedure.impact,
  ].join('\n');
  if (!yes) await confirm(`${plan}\nContinue?`, `${plan}\nto do this without a terminal, give --yes`);
  await take(steps, path, log);
  return steps.map(({ description }) => description);
}

/** Takes the steps in order. Throws a UserError that describes the resulting state when one fails. */
async function take(steps: readonly RotationStep[], path: string, log: (line: string) => void): Promise<void> {
  let isStored = false;
  for (const [at, { description, run, stores }] of steps.entries()) {
    log(description);
    try {
      await run();
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      if (isStored) {
        const left = steps.slice(at).map((step) => step.description);
        throw new UserError(`${error.message}\nthe Secret has the new value of ${path}. Remaining steps: ${left.join('; ')}`);
      }
      const done = steps.slice(0, error instanceof Untouched ? at : at + 1);
      throw new UserError(`${error.message}\n${await undo(done)}; fix the cause and run the command again`);
    }
    isStored ||= stores === true;
  }
}

/** Undoes steps in reverse order, including the one that failed: it may have succeeded before its response was lost. */
async function undo(steps: readonly RotationStep[]): Promise<string> {
  for (const step of steps.toReversed()) {
    try {
      await step.undo?.();
    } catch (error) {
      return `the service may already have the new value, and restoring the old one failed too (${(error as Error).message}): the Secret keeps both`;
    }
  }
  return 'the old value is still valid';
}

/** The workloads that read the key and exist. */
async function runningReaders(kubectl: Kubectl, profile: Profile, path: string): Promise<readonly Reader[]> {
  const all = readers(profile.objects).filter(({ kind, secret, key }) => kind !== 'Job' && `${secret}/${key}` === path);
  if (all.length === 0) return [];
  const found = await kubectl.objects(['get', ...new Set(all.map(refOf)), '--ignore-not-found']);
  const existing = found.map(({ kind, metadata }) => refOf({ kind, name: metadata.name }));
  return all.filter((reader) => existing.includes(refOf(reader)));
}
