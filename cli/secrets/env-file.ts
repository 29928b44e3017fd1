import { parseEnv } from 'node:util';
import type { Settings } from '../../charts/settings.ts';
import type { SecretRef } from '../../lib/secret.ts';
import { UserError } from '../user-error.ts';
import { type SecretValues, VARIABLES } from './variables.ts';

/** The content of an env file. */
export interface EnvFile {
  readonly values: SecretValues;
  /** Why some lines are not used, a sentence each, without their values. */
  readonly notes: readonly string[];
}

type NamedSettings = { readonly name: string; readonly settings: Settings };

/** Variables that must agree with a setting. */
const SETTINGS: Readonly<Record<string, { readonly path: string; readonly of: (settings: Settings) => string }>> = {
  ARANGO_DATABASE: { path: 'settings.arangodb.database', of: ({ arangodb }) => arangodb.database },
  ARANGO_USERNAME: { path: 'settings.arangodb.username', of: ({ arangodb }) => arangodb.username },
  CONSUL_DATACENTER: { path: 'settings.consul.datacenter', of: ({ consul }) => consul.datacenter },
  OTEL_SERVICE_NAME: { path: 'settings.app.name', of: ({ app }) => app.name },
};

/** Variables that the charts derive from addresses. */
const DERIVED = new Set([
  'ARANGO_URL',
  'REDIS_URL',
  'CELERY_BROKER_URL',
  'CELERY_RESULT_BACKEND',
  'OTEL_EXPORTER_OTLP_ENDPOINT',
  'OTEL_RESOURCE_ATTRIBUTES',
  'CONSUL_HTTP_ADDR',
  'TEMPO_ENDPOINT',
]);

/** The minimum length of a password. */
const MIN_LENGTH = 12;

/** Values that examples contain. */
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

/** Values that programs read differently, by the text after the `=`; the first match counts. */
const AMBIGUOUS: readonly (readonly [RegExp, string])[] = [
  [/^(["'])(?!.*\1)/, 'has an opening quote without a closing one: write one value on one line, with the same quote at both ends'],
  [/^(?:"[^"]*"|'[^']*')(?!\s*$|\s+#)/, 'continues after its closing quote: put the whole value into one pair of quotes'],
  [/^"[^"]*[\\$`]/, 'has a \\, $ or ` in double quotes, which programs read differently: use single quotes'],
  [/^(?!\s+#)[^"'#]*?\s(?!\s*(#|$))/, 'has a space outside quotes: put the value into single quotes'],
  [/^(?!["'])(?:\S*[\\$`"']|\S+#)/, 'has a \\, $, `, # or quote, which programs read differently: put the value into single quotes'],
];

/**
 * Reads the values for these Secrets from an env file.
 * Throws a UserError with every problem of the file, by line number and variable, without the values, which may be secret.
 */
export function envFile(text: string, file: string, profile: NamedSettings, secrets: readonly SecretRef[]): EnvFile {
  const wanted = new Set(secrets.flatMap(({ name, keys }) => Object.keys(keys).map((key) => `${name}/${key}`)));
  const values = new Map<string, string>();
  const notes: string[] = [];
  const problems: string[] = [];
  const seen = new Map<string, number>();
  for (const [at, line] of text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .entries()) {
    if (/^\s*(#|$)/.test(line)) continue;
    const [, name, rest = ''] = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)$/.exec(line) ?? [];
    if (name === undefined) {
      problems.push(`line ${at + 1} is not NAME=value: use letters, digits and underscores in the name, and no space around the =`);
      continue;
    }
    const where = `line ${at + 1}: ${name}`;
    if (seen.has(name)) problems.push(`${where} is already on line ${seen.get(name)}: remove one of them`);
    else seen.set(name, at + 1);
    const note = unusedReason(name, line, wanted, profile.name);
    if (note) {
      notes.push(`${where} ${note}`);
      continue;
    }
    const value = parseEnv(line)[name] ?? '';
    const problem = AMBIGUOUS.find(([pattern]) => pattern.test(rest))?.[1] ?? mismatch(name, value, profile) ?? weakness(name, value);
    if (problem) problems.push(`${where} ${problem}`);
    else for (const key of VARIABLES[name] ?? []) if (wanted.has(key)) values.set(key, value);
  }
  if (problems.length > 0)
    throw new UserError([`${file} is not used, and nothing was changed:`, ...problems.map((each) => `  ${each}`)].join('\n'));
  return { values, notes };
}

/** Why a variable is not used. @returns undefined when it is used */
function unusedReason(name: string, line: string, wanted: ReadonlySet<string>, profile: string): string | undefined {
  const keys = VARIABLES[name];
  if (keys) return keys.some((key) => wanted.has(key)) ? undefined : `is ignored: the profile ${profile} has no ${keys.join(' and no ')}`;
  if (SETTINGS[name]) return undefined;
  if (!DERIVED.has(name)) return 'is ignored: the platform does not use it';
  const password = /:\/\/[^/]*@/.test(line) ? ', and uses the password in REDIS_PASSWORD instead of the one in this URL' : '';
  return `is ignored: the platform sets it itself${password}`;
}

/** How a value contradicts its setting. @returns undefined when it agrees, or no setting belongs to the variable */
function mismatch(name: string, value: string, profile: NamedSettings): string | undefined {
  const setting = SETTINGS[name];
  const expected = setting?.of(profile.settings);
  if (!setting || value === expected) return undefined;
  return `is "${value}", but the profile ${profile.name} has "${expected}": change ${setting.path} in settings/index.ts, or this line`;
}

/** Why a secret is unsafe or does not work. @returns undefined when it is fine, or the variable is no secret */
function weakness(name: string, value: string): string | undefined {
  if (SETTINGS[name]) return undefined;
  const isGiven = name.startsWith('S3_');
  const fix = isGiven ? 'use the key that your object store issued' : 'use the real value, or remove the line to have one generated';
  if (value === '') return `is empty: ${fix}`;
  if (PLACEHOLDERS.some((placeholder) => placeholder.test(value))) return `is a placeholder: ${fix}`;
  if (!isGiven && value.length < MIN_LENGTH) return `has fewer than ${MIN_LENGTH} characters: ${fix}`;
  if (IN_URL.has(name) && !/^[\w.~-]+$/.test(value))
    return 'has a character that is special in a URL, and CELERY_BROKER_URL contains it: use letters, digits and - . _ ~';
  if (!/^[\x20-\x7e]+$/.test(value))
    return 'has a character that is not printable ASCII, which not every client sends unchanged: choose another value';
  return undefined;
}
