/** Why a command cannot go on and what to do next, in one sentence for a person: it ends with status 2. */
export class UserError extends Error {}

/** Ends the program with what `main` answers: 2 for a UserError, 1 when it failed otherwise. A sentence is printed, never a stack. */
export function exitWith(main: Promise<number>): void {
  main.then(
    (status) => process.exit(status),
    (error: Error) => {
      console.error(error.message);
      process.exit(error instanceof UserError ? 2 : 1);
    },
  );
}
