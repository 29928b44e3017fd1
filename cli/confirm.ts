import { contextOf } from './kubectl.ts';
import { ask } from './output.ts';
import { UserError } from './user-error.ts';

/** Contexts of local test clusters, which are used without confirmation. */
export const isLocal = (context: string): boolean =>
  /^(kind|k3d)-|^(minikube|docker-desktop|rancher-desktop|orbstack|colima)$/.test(context);

/** Asks a yes-or-no question. Throws a UserError unless the answer is yes, or with `otherwise` when nobody can answer. */
export async function confirm(question: string, otherwise: string, askPerson = ask): Promise<void> {
  const answer = await askPerson(`${question} [y/N] `, otherwise);
  if (!/^y(es)?$/i.test(answer)) throw new UserError('cancelled: nothing was changed');
}

/**
 * Returns the context for a command that changes the cluster: the named one, or the current one if it is a local test cluster or a
 * person confirms it. `effect` is the sentence that the person confirms.
 */
export async function confirmedContext(
  named: string | undefined,
  effect: (context: string) => string,
  { current = contextOf, askPerson = ask } = {},
): Promise<string> {
  const context = await current(named);
  if (named !== undefined || isLocal(context)) return context;
  const otherwise = `the context "${context}" is not a local test cluster: to use it, give --context ${context}`;
  await confirm(`${effect(context)}. Continue?`, otherwise, askPerson);
  return context;
}
