import { expect, test } from 'vitest';
import { profileOf } from './profile.ts';
import { UserError } from './user-error.ts';

test('a profile has its settings and its objects', () => {
  const dev = profileOf('dev');
  expect(dev.namespace).toBe('platform-dev');
  expect(dev.objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toContain('StatefulSet redis');
});

test('a missing or unknown profile is rejected with the names of the others', () => {
  expect(() => profileOf(undefined)).toThrow(new UserError('choose a profile: --profile dev or --profile prod'));
  expect(() => profileOf('staging')).toThrow(/"staging": use dev or prod/);
});
