import { expect, test } from 'vitest';
import { SecretValues } from './secret-values.ts';

test('a key keeps its value, which differs from another one for it', () => {
  const secrets = new SecretValues();
  expect(secrets.get('redis', 'password')).toBe(secrets.get('redis', 'password'));
  expect(secrets.another('redis', 'password')).toBe(secrets.another('redis', 'password'));
  expect(secrets.another('redis', 'password')).not.toBe(secrets.get('redis', 'password'));
});

test('a value is found in a text and redacted', () => {
  const secrets = new SecretValues();
  const text = `requirepass ${secrets.get('redis', 'password')}`;
  expect(secrets.findIn(text)).toBe('redis/password');
  expect(secrets.redact(text)).toBe('requirepass <redis/password>');
  expect(secrets.findIn('requirepass')).toBeUndefined();
});

test('a key that no chart declares is an error', () => {
  expect(() => new SecretValues().get('redis', 'user')).toThrow('no Secret redis with the key user is declared');
});
