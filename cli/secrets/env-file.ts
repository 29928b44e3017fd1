import type { Settings } from '../../charts/settings.ts';
import type { SecretRef } from '../../lib/secret.ts';
import { UserError } from '../user-error.ts';
import type { SecretValues } from './generate.ts';

/** What an env file brings. */
export interface EnvFile {
  readonly values: SecretValues;
  /** What is not used, and why, a sentence each. No value stands in them. */
  readonly notes: readonly string[];
}

/** Variables that carry a secret, and the keys that they fill: those of them that the profile needs. */
export const VARIABLES: Readonly<Record<string, readonly string[]>> = {
  ARANGO_ROOT_PASSWORD: ['arangodb/root-password'],
  ARANGO_PASSWORD: ['arangodb/password'],
  REDIS_PASSWORD: ['redis/password', 'redis-cache/password'],
  S3_ACCESS_KEY: ['object-storage/access-key'],
  S3_SECRET_KEY: ['object-storage/secret-key'],
};

/** Variables that name what a setting decides. */
const SETTINGS: Readonly<Record<string, { readonly path: string; readonly of: (settings: Settings) => string }>> = {
  ARANGO_DATABASE: { path: 'settings.arangodb.database', of: ({ arangodb }) => arangodb.database },
  ARANGO_USERNAME: { path: 'settings.arangodb.username', of: ({ arangodb }) => arangodb.username },
  CONSUL_DATACENTER: { path: 'settings.consul.datacenter', of: ({ consul }) => consul.datacenter },
  OTEL_SERVICE_NAME: { path: 'settings.app.name', of: ({ app }) => app.name },
};

/** Variables that the charts make of where things are. */
const MADE = new Set([
  'ARANGO_URL',
  'REDIS_URL',
  'CELERY_BROKER_URL',
  'CELERY_RESULT_BACKEND',
  'OTEL_EXPORTER_OTLP_ENDPOINT',
  'OTEL_RESOURCE_ATTRIBUTES',
  'CONSUL_HTTP_ADDR',
  'TEMPO_ENDPOINT',
]);

/** Below it a password is soon guessed. */
const SHORTEST = 12;

/** What stands in an example to be replaced. */
const PLACEHOLDERS = [
  /^your([_-]|$)/i,
  /change[_-]?(me|this|it)/i,
  /replace[_-]?(me|this|it)/i,
  /^pass(word|wd|phrase)?[\W\d_]*$/i,
  /[_-]pass(word|wd|phrase)?[\W\d_]*$/i,
  /^<.*>$/,
  /example/i,
  /^(todo|tbd|secret|none|null)$/i,
  // xxx, ***, 000
  /^(.)\1*$/,
];

/** Variables whose value becomes part of a URL. */
const IN_URL = new Set(['REDIS_PASSWORD']);

/**
 * The values of an env file for these Secrets.
 * Throws a UserError with every reason not to use the file, a line each: line number, variable, and never a value that may be secret.
 */
export function envFile(
  text: string,
  file: string,
  profile: { readonly name: string; readonly settings: Settings },
  secrets: readonly SecretRef[],
): EnvFile {
  const wanted = new Set(secrets.flatMap(({ name, keys }) => Object.keys(keys).map((key) => `${name}/${key}`)));
  const values = new Map<string, string>();
  const notes: string[] = [];
  const problems: string[] = [];
  const seen = new Map<string, number>();
  for (const [at, line] of text.split(/\r?\n/).entries()) {
    const parsed = parse(line);
    if (parsed === undefined) continue;
    const { name } = parsed;
    const where = `line ${at + 1}:${name === undefined ? '' : ` ${name}`}`;
    const problem = (words: string) => problems.push(`${where} ${words}`);
    if (name !== undefined && seen.has(name)) problem(`stands on line ${seen.get(name)} already: which one counts? Take one of them out`);
    else if (name !== undefined) seen.set(name, at + 1);

    // What nobody uses may be written in any way.
    const note = name !== undefined && unused(name, line, wanted, profile.name);
    if (note) notes.push(`${where} ${note}`);
    else if ('wrong' in parsed) problem(parsed.wrong);
    else {
      const setting = SETTINGS[parsed.name];
      const wrong = setting ? differs(parsed.value, setting, profile) : flaw(parsed.name, parsed.value);
      if (wrong) problem(wrong);
      else for (const key of VARIABLES[parsed.name] ?? []) if (wanted.has(key)) values.set(key, parsed.value);
    }
  }
  if (problems.length > 0)
    throw new UserError([`${file} is not used, and nothing was changed:`, ...problems.map((each) => `  ${each}`)].join('\n'));
  return { values, notes };
}

type Line = { readonly name: string; readonly value: string } | { readonly name?: string; readonly wrong: string };

/** One line. @default undefined - it is blank or a comment */
function parse(line: string): Line | undefined {
  if (/^\s*(#|$)/.test(line)) return undefined;
  const [, name, rest = ''] = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)$/.exec(line) ?? [];
  if (name === undefined) return { wrong: 'is no NAME=value: a name of letters, digits and underscores, and no space around the =' };
  const quote = /^["']/.exec(rest)?.[0];
  if (quote) {
    const [, value, after = ''] = new RegExp(`^${quote}([^${quote}]*)${quote}(.*)$`).exec(rest) ?? [];
    if (value === undefined)
      return { name, wrong: `opens with ${quote} and does not close: one value is one line, with the same quote at both ends` };
    if (!/^\s*$|^\s+#/.test(after))
      return { name, wrong: `goes on after its closing ${quote}: put the whole value into one pair of quotes` };
    if (quote === '"' && /[\\$`]/.test(value))
      return { name, wrong: 'has a \\, $ or ` in double quotes, where programs read it differently: use single quotes' };
    return { name, value };
  }
  // As the shell and Compose have it: a # after a space begins a comment.
  const value = rest.replace(/\s#.*$/, '').trimEnd();
  if (/\s/.test(value)) return { name, wrong: 'has a space without quotes: put the value into single quotes' };
  if (/[\\$`"']/.test(value))
    return { name, wrong: 'has a \\, $, ` or quote, which programs read differently: put the value into single quotes' };
  return { name, value };
}

/** Why nothing reads the variable. @default undefined - something does */
function unused(name: string, line: string, wanted: ReadonlySet<string>, profile: string): string | undefined {
  const keys = VARIABLES[name];
  if (keys) return keys.some((key) => wanted.has(key)) ? undefined : `is not used: the profile ${profile} has no ${keys.join(' and no ')}`;
  if (SETTINGS[name]) return undefined;
  if (!MADE.has(name)) return "is nothing of the platform's: not used";
  const inside = /:\/\/[^/]*@/.test(line) ? ', nor is the password in it: REDIS_PASSWORD is the one that counts' : '';
  return `is made by the platform itself: not used${inside}`;
}

function differs(
  value: string,
  { path, of }: (typeof SETTINGS)[string],
  profile: { readonly name: string; readonly settings: Settings },
): string | undefined {
  const mine = of(profile.settings);
  if (value === mine) return undefined;
  return `is "${value}", and the profile ${profile.name} has "${mine}": change ${path} in settings/index.ts, or the line`;
}

/** What is wrong with a secret. @default undefined - nothing */
function flaw(name: string, value: string): string | undefined {
  const given = name.startsWith('S3_');
  const fix = given ? 'put in what the store of the buckets gave you' : 'put in the real one, or leave the line out and one is generated';
  if (value === '') return `is empty: ${fix}`;
  if (PLACEHOLDERS.some((placeholder) => placeholder.test(value))) return `is a placeholder: ${fix}`;
  if (!given && value.length < SHORTEST) return `has fewer than ${SHORTEST} characters: ${fix}`;
  if (IN_URL.has(name) && !/^[\w.~-]+$/.test(value)) {
    return 'has a character that a URL cannot carry, and CELERY_BROKER_URL is made of it: use letters, digits and - . _ ~';
  }
  if (!/^[\x20-\x7e]+$/.test(value))
    return 'has a character that is not printable ASCII: not every client sends it as it is; choose another value';
  return undefined;
}
