import { expect, test } from 'vitest';
import { profileOf } from './profile.ts';
import { UserError } from './user-error.ts';

test('a profile is its settings and its objects', () => {
  const dev = profileOf('dev');
  expect(dev.namespace).toBe('platform-dev');
  expect(dev.objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toContain('StatefulSet redis');
});

test('no profile, and one that there is not, are refused with those there are', () => {
  expect(() => profileOf(undefined)).toThrow(new UserError('say which profile: --profile dev or --profile prod'));
  expect(() => profileOf('staging')).toThrow(/^there is no profile "staging": use dev or prod/);
});
