import { contextOf } from './kubectl.ts';
import { ask } from './output.ts';
import { UserError } from './user-error.ts';

/** Clusters that somebody made for trying things out: they are used without asking. */
export const isLocal = (context: string): boolean =>
  /^(kind|k3d)-|^(minikube|docker-desktop|rancher-desktop|orbstack|colima)$/.test(context);

/**
 * The context in which something is changed: the one that was named, one for trying things out, or one that a person agrees to.
 * `what` is the sentence that is asked about. Throws a UserError where nobody agrees.
 */
export async function confirmedContext(named: string | undefined, what: (context: string) => string): Promise<string> {
  const context = await contextOf(named);
  if (named !== undefined || isLocal(context)) return context;
  const answer = await ask(
    `${what(context)}. Go on? [y/N] `,
    `the context "${context}" is not one for trying things out: if it is the right one, name it: --context ${context}`,
  );
  if (!/^y(es)?$/i.test(answer)) throw new UserError('nothing was changed');
  return context;
}
