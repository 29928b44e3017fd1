/** A failure that the user can resolve. Its message says what is wrong and what to do; the exit status is 2. */
export class UserError extends Error {}

/** Ends the process with the status that `main` resolves to: 2 after a UserError, 1 after any other error. Prints the message, never a stack. */
export function exitWith(main: Promise<number>): void {
  main.then(
    (status) => process.exit(status),
    (error: Error) => {
      console.error(error.message);
      process.exit(error instanceof UserError ? 2 : 1);
    },
  );
}
