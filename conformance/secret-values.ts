import { secrets } from '../charts/secrets.ts';
import { generate } from '../cli/secrets/generate.ts';
import type { SecretKey } from '../lib/secret.ts';

/** Random values for the Secrets of one check; a key keeps its value throughout the check. */
export class SecretValues {
  private readonly values = new Map<string, string>();

  /** The value of a key, in the key's format. */
  get(name: string, key: string): string {
    return this.remembered(`${name}/${key}`, name, key);
  }

  /** A different value in the key's format: a wrong password, or the next one. */
  another(name: string, key: string): string {
    return this.remembered(`another ${name}/${key}`, name, key);
  }

  /** The name of a secret whose value the text contains. */
  findIn(text: string): string | undefined {
    return [...this.values].find(([, value]) => text.includes(value))?.[0];
  }

  /** The text with each value replaced by the secret's name. */
  redact(text: string): string {
    return [...this.values].reduce((all, [id, value]) => all.replaceAll(value, `<${id}>`), text);
  }

  private remembered(id: string, name: string, key: string): string {
    const value = this.values.get(id) ?? generated(name, key);
    this.values.set(id, value);
    return value;
  }
}

function generated(name: string, key: string): string {
  const keys: Readonly<Record<string, SecretKey>> | undefined = Object.values(secrets).find((secret) => secret.name === name)?.keys;
  const format = keys?.[key]?.format;
  if (!format) throw new Error(`no Secret ${name} with the key ${key} is declared`);
  // A value that only the user has may be any password here.
  return generate[format === 'given' ? 'password' : format]();
}
