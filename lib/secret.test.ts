import { expect, test } from 'vitest';
import { secretRefs } from './secret.ts';

const key = { format: 'password', purpose: 'opens', readers: [] } as const;
const secrets = secretRefs({ redis: { password: key, spare: key } });

test('a key is referenced as a variable or as a file', () => {
  expect(secrets.redis.env('password')).toEqual({ secretKeyRef: { name: 'redis', key: 'password' } });
  expect(secrets.redis.path('password')).toBe('/run/secrets/redis/password');
});

test('a mount has only the requested keys, readable by the group', () => {
  expect(secrets.redis.mount('password')).toEqual({
    path: '/run/secrets/redis',
    name: 'secret-redis',
    readOnly: true,
    volume: { secret: { secretName: 'redis', defaultMode: 0o440, items: [{ key: 'password', path: 'password' }] } },
  });
});

test('an unknown key or Secret does not compile', () => {
  // @ts-expect-error -- unknown key
  secrets.redis.env('passwort');
  // @ts-expect-error -- unknown Secret
  expect(secrets.reddis).toBeUndefined();
});
