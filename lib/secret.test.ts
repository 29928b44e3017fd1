import { expect, test } from 'vitest';
import { secretRefs } from './secret.ts';

const key = { format: 'password', purpose: 'opens', readers: [] } as const;
const secrets = secretRefs({ redis: { password: key, spare: key } });

test('a key is named, as a variable or as a file', () => {
  expect(secrets.redis.env('password')).toEqual({ secretKeyRef: { name: 'redis', key: 'password' } });
  expect(secrets.redis.path('password')).toBe('/run/secrets/redis/password');
});

test('a mount brings the keys that were asked for and no others, to the group alone', () => {
  expect(secrets.redis.mount('password')).toEqual({
    path: '/run/secrets/redis',
    name: 'secret-redis',
    readOnly: true,
    volume: { secret: { secretName: 'redis', defaultMode: 0o440, items: [{ key: 'password', path: 'password' }] } },
  });
});

test('a key that the list does not have does not compile', () => {
  // @ts-expect-error -- there is no such key
  secrets.redis.env('passwort');
  // @ts-expect-error -- there is no such Secret
  expect(secrets.reddis).toBeUndefined();
});
