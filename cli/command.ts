import { Command, InvalidArgumentError, Option } from '@commander-js/extra-typings';
import { profiles } from '../settings/index.ts';

/** A command that throws instead of ending the process, with errors as plain sentences. */
export function parser(name: string) {
  return new Command(name)
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, '')) })
    .helpOption('-h, --help', 'print this text');
}

/** A command with the options that all commands share. `help` follows the list of options. */
export function command(name: string, summary: string, help: string) {
  const usage = `npm run ${name} --`;
  return parser(name)
    .summary(summary)
    .description(`${summary[0]?.toUpperCase()}${summary.slice(1)}.`)
    .configureHelp({ commandUsage: (self) => `${usage}${self.usage().replace('[options]', '')} --profile <name> [options]` })
    .addHelpText('after', `\n${help}`)
    .showHelpAfterError(`${usage} --help lists the arguments and options`)
    .addOption(new Option('--profile <name>', 'installation of settings/index.ts').choices(Object.keys(profiles)))
    .option('--context <name>', 'context of the kubeconfig (default: its current context)')
    .option('--json', 'print one JSON object on standard output');
}

/** Parses a number of seconds. */
export function seconds(text: string): number {
  const value = Number(text);
  if (!(value > 0 && Number.isFinite(value))) throw new InvalidArgumentError('Give a positive number of seconds.');
  return value;
}
