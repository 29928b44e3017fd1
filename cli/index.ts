import { parseArgs } from 'node:util';
import type { Command, Values } from './command.ts';
import { down } from './down.ts';
import { open } from './open.ts';
import { secrets } from './secrets.ts';
import { smoke } from './smoke.ts';
import { status } from './status.ts';
import { up } from './up.ts';
import { exitWith, UserError } from './user-error.ts';

const commands: Readonly<Record<string, Command>> = { secrets, up, status, smoke, open, down };

const COMMON = `  --profile NAME       an installation of settings/index.ts
  --context NAME       of the kubeconfig                                      (default: its current one)
  --json               one JSON object on standard output
  --help               this text`;

const everybody = {
  profile: { type: 'string' },
  context: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

function usage(name: string, { summary, help, operand }: Command): string {
  return `npm run ${name} -- ${operand ? `${operand} ` : ''}--profile NAME\n\n${summary[0]?.toUpperCase()}${summary.slice(1)}.\n\n${COMMON}\n${help}`;
}

function overview(): string {
  const lines = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(9)}${summary}`);
  return `npm run COMMAND -- --profile NAME, or npx platform COMMAND --profile NAME\n\n${lines.join('\n')}\n\nnpm run COMMAND -- --help tells more of each.`;
}

async function main([name, ...args]: readonly string[]): Promise<number> {
  if (name === undefined || name === '--help' || name === '-h') {
    console.log(overview());
    return 0;
  }
  const command = commands[name];
  if (!command) throw new UserError(`there is no command "${name}": use ${Object.keys(commands).join(', ')}`);
  const { values, positionals } = parsed(name, command, args);
  if (values.help) {
    console.log(usage(name, command));
    return 0;
  }
  return command.run(values, positionals);
}

function parsed(name: string, command: Command, args: readonly string[]) {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: { ...everybody, ...command.options },
      allowPositionals: command.operand !== undefined,
    });
    return { values: values as Values, positionals };
  } catch (error) {
    throw new UserError(`${(error as Error).message.split(/[.\n]/)[0]}; npm run ${name} -- --help lists what there is`);
  }
}

exitWith(main(process.argv.slice(2)));
