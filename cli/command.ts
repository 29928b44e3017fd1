import type { ParseArgsConfig } from 'node:util';

/** The values of a command's options, by their names; the first ones are everybody's. */
export interface Values {
  readonly profile?: string;
  readonly context?: string;
  readonly json?: boolean;
  readonly [option: string]: string | boolean | undefined;
}

/** One of the commands around kubectl. */
export interface Command {
  /** One line for the list of commands. */
  readonly summary: string;
  /** What --help prints after the summary: options and examples. */
  readonly help: string;
  /** Of the command alone; --profile, --context, --json and --help are everybody's. */
  readonly options: NonNullable<ParseArgsConfig['options']>;
  /** What may stand without dashes, for the usage line. @default - nothing may */
  readonly operand?: string;
  /** The exit status: 0 when all is well, 1 when something is not as it should be. Throws a UserError for status 2. */
  readonly run: (values: Values, operands: readonly string[]) => Promise<number>;
}
