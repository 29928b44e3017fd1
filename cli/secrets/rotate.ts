import type { Kubectl } from '../kubectl.ts';
import { ask } from '../output.ts';
import type { Profile } from '../profile.ts';
import { UserError } from '../user-error.ts';
import { read } from './ensure.ts';
import { needed, type Reader, readers, type SecretValues } from './generate.ts';
import { type Procedure, procedures } from './procedures.ts';
import { called, Rotation, type RotationStep, Untouched } from './rotation.ts';

interface Options {
  readonly given: SecretValues;
  /** Nobody is asked. */
  readonly yes: boolean;
  readonly say: (line: string) => void;
}

/** Gives a key a new value. Returns what was done, a sentence each. */
export async function rotate(kubectl: Kubectl, profile: Profile, path: string, { given, yes, say }: Options): Promise<readonly string[]> {
  const keys = needed(profile).flatMap(({ name, keys }) =>
    Object.entries(keys).map(([key, { format }]) => ({ path: `${name}/${key}`, name, key, format })),
  );
  const found = keys.find((each) => each.path === path);
  if (!found) {
    const all = keys.map((each) => each.path).join(', ');
    throw new UserError(`the profile ${profile.name} has no key "${path}": --rotate takes one of ${all}`);
  }
  const { name, key, format } = found;
  const procedure = (procedures as Readonly<Record<string, Readonly<Record<string, Procedure | string>>>>)[name]?.[key];
  if (typeof procedure !== 'object')
    throw new UserError(procedure ?? `nobody has written down how ${path} changes: cli/secrets/procedures.ts is the place`);
  const secret = (await read(kubectl, [name])).get(name);
  if (secret?.data?.[key] === undefined) {
    throw new UserError(`${path} is not in namespace ${profile.namespace} yet: npm run secrets -- --profile ${profile.name} makes it`);
  }

  const rotation = new Rotation(kubectl, profile, secret, { key, format }, await deployed(kubectl, profile, path), given);
  const steps = await procedure.steps(rotation);
  const plan = [
    `${path} gets a new value${rotation.resumed ? ', the one of the last try' : ''}:`,
    ...steps.map(({ words }, at) => `  ${at + 1}. ${words}`),
    procedure.meanwhile,
  ].join('\n');
  if (!yes) {
    const answer = await ask(`${plan}\nGo on? [y/N] `, `${plan}\nnobody can be asked here: give --yes to have it done`);
    if (!/^y(es)?$/i.test(answer)) throw new UserError('nothing was changed');
  }
  await take(steps, path, say);
  return steps.map(({ words }) => words);
}

/** Takes the steps one after the other. Throws a UserError that says how things stand when one fails. */
async function take(steps: readonly RotationStep[], path: string, say: (line: string) => void): Promise<void> {
  let final = false;
  for (const [at, { words, run, final: last }] of steps.entries()) {
    say(words);
    try {
      await run();
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      if (final) {
        const left = steps.slice(at).map((step) => step.words);
        throw new UserError(`${error.message}\n${path} has its new value. Left to do: ${left.join('; ')}`);
      }
      throw new UserError(
        `${error.message}\n${await takeBack(steps.slice(0, error instanceof Untouched ? at : at + 1))}; once that is fixed, run it again`,
      );
    }
    final ||= last === true;
  }
}

/** Undoes what was done, the last first; also the step that failed, which may have been done before its answer was lost. */
async function takeBack(steps: readonly RotationStep[]): Promise<string> {
  for (const { undo } of steps.toReversed()) {
    try {
      await undo?.();
    } catch (error) {
      return `the service may have the new value already, and taking it back failed too (${(error as Error).message}): the Secret holds both until then`;
    }
  }
  return 'the old value still counts';
}

/** What reads the key and is there. */
async function deployed(kubectl: Kubectl, profile: Profile, path: string): Promise<readonly Reader[]> {
  const all = readers(profile.objects).filter(({ kind, secret, key }) => kind !== 'Job' && `${secret}/${key}` === path);
  if (all.length === 0) return [];
  const found = await kubectl.objects(['get', ...new Set(all.map(called)), '--ignore-not-found']);
  const there = found.map(({ kind, metadata }) => called({ kind, name: metadata.name }));
  return all.filter((reader) => there.includes(called(reader)));
}
