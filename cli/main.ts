import { CommanderError } from '@commander-js/extra-typings';
import { parser } from './command.ts';
import { down } from './down.ts';
import { open } from './open.ts';
import { secrets } from './secrets.ts';
import { smoke } from './smoke.ts';
import { status } from './status.ts';
import { up } from './up.ts';

const program = parser('platform')
  .configureHelp({
    commandUsage: () => 'npm run <command> -- --profile <name> [options]\n       npx platform <command> --profile <name> [options]',
    subcommandTerm: (each) => each.name(),
  })
  .helpCommand(false)
  .addHelpText('after', '\nnpm run <command> -- --help describes a command.')
  .showHelpAfterError('npx platform --help lists the commands');
for (const command of [secrets, up, status, smoke, open, down]) program.addCommand(command);

/** Runs the command of these arguments. Returns the exit status: 2 after wrong usage, otherwise what the command has set. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    await program.parseAsync(args.length > 0 ? args : ['--help'], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? 0 : 2;
  }
  return Number(process.exitCode ?? 0);
}
