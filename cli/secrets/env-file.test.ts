import { describe, expect, test } from 'vitest';
import { UserError } from '../user-error.ts';
import { envFile } from './env-file.ts';
import { needed } from './generate.ts';
import { dev, prod } from './testing.ts';

const read = (text: string, profile = dev) => envFile(text, '.env', profile, needed(profile));
const values = (text: string, profile = dev) => Object.fromEntries(read(text, profile).values);

/** The lines of an error below its first. */
function problems(text: string, profile = dev): readonly string[] {
  try {
    read(text, profile);
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    const [head, ...lines] = (error as Error).message.split('\n');
    expect(head).toBe('.env is not used, and nothing was changed:');
    return lines.map((line) => line.trim());
  }
  return [];
}

describe('what is read', () => {
  test.each([
    ['plain', 'ARANGO_PASSWORD=a-long-word-for-it-1'],
    ['with export', 'export ARANGO_PASSWORD=a-long-word-for-it-1'],
    ['in single quotes', "ARANGO_PASSWORD='a-long-word-for-it-1'"],
    ['in double quotes', 'ARANGO_PASSWORD="a-long-word-for-it-1"'],
    ['with blanks around the line', '  ARANGO_PASSWORD=a-long-word-for-it-1  '],
    ['with a comment behind it', 'ARANGO_PASSWORD=a-long-word-for-it-1 # the app'],
    ['with a comment behind quotes', "ARANGO_PASSWORD='a-long-word-for-it-1' # the app"],
    ['with CRLF', '# app\r\n\r\nARANGO_PASSWORD=a-long-word-for-it-1\r\n'],
    ['with a byte order mark', '\uFEFFARANGO_PASSWORD=a-long-word-for-it-1'],
  ])('a value %s', (_, text) => {
    expect(values(text)).toEqual({ 'arangodb/password': 'a-long-word-for-it-1' });
  });

  test('any printable character, in single quotes', () => {
    const odd = 'a #\\$`" =!@%& long one';
    expect(values(`ARANGO_ROOT_PASSWORD='${odd}'`)).toEqual({ 'arangodb/root-password': odd });
  });

  test('a # within a value is part of it', () => {
    expect(values('ARANGO_PASSWORD=a-long#word-for-it')).toEqual({ 'arangodb/password': 'a-long#word-for-it' });
  });

  test('every variable goes to its key, and the password of Redis to each Redis that there is', () => {
    const text = 'ARANGO_ROOT_PASSWORD=root-0123456789\nREDIS_PASSWORD=redis-0123456789\nS3_ACCESS_KEY=AKIA012\nS3_SECRET_KEY=abc/def+1';
    expect(values(text, prod)).toEqual({
      'arangodb/root-password': 'root-0123456789',
      'redis/password': 'redis-0123456789',
      'redis-cache/password': 'redis-0123456789',
      'object-storage/access-key': 'AKIA012',
      'object-storage/secret-key': 'abc/def+1',
    });
    expect(values(text)).toEqual({ 'arangodb/root-password': 'root-0123456789', 'redis/password': 'redis-0123456789' });
  });
});

describe('what is noted', () => {
  test('what the platform makes itself, and the password inside', () => {
    expect(read('REDIS_URL=redis://redis:6379/0\nCELERY_BROKER_URL="redis://:${REDIS_PASSWORD}@redis:6379/0').notes).toEqual([
      'line 1: REDIS_URL is made by the platform itself: not used',
      'line 2: CELERY_BROKER_URL is made by the platform itself: not used, nor is the password in it: REDIS_PASSWORD is the one that counts',
    ]);
  });

  test('what is not known, and what the profile does not have', () => {
    expect(read("FOO=hush 'hush\nS3_ACCESS_KEY=hush").notes).toEqual([
      "line 1: FOO is nothing of the platform's: not used",
      'line 2: S3_ACCESS_KEY is not used: the profile dev has no object-storage/access-key',
    ]);
  });
});

describe('what is refused', () => {
  const generated = 'put in the real one, or leave the line out and one is generated';

  test.each([
    'your_secure_password',
    'your-password-here',
    'changeme-changeme',
    'please_change_me',
    'replace-me-please',
    'password12345',
    'platform_password',
    'my-redis-password1',
    '<ask-the-operator>',
    'an-example-value',
    'xxxxxxxxxxxxxxxx',
    'todo',
  ])('the placeholder %s', (value) => {
    expect(problems(`ARANGO_PASSWORD='${value}'`)).toEqual([`line 1: ARANGO_PASSWORD is a placeholder: ${generated}`]);
  });

  test('a value of the documentation of a store', () => {
    expect(problems('S3_ACCESS_KEY=AKIAIOSFODNN7EXAMPLE', prod)).toEqual([
      'line 1: S3_ACCESS_KEY is a placeholder: put in what the store of the buckets gave you',
    ]);
  });

  test.each(['', "''", '""', ' # later'])('nothing at all, written as %j', (value) => {
    expect(problems(`ARANGO_PASSWORD=${value}`)).toEqual([`line 1: ARANGO_PASSWORD is empty: ${generated}`]);
  });

  test('a short password', () => {
    expect(problems('ARANGO_PASSWORD=abcdefghijk')).toEqual([`line 1: ARANGO_PASSWORD has fewer than 12 characters: ${generated}`]);
    expect(problems('ARANGO_PASSWORD=abcdefghijkl')).toEqual([]);
  });

  test.each([...'@:/?#%+&= é'])('a password of Redis with %j', (character) => {
    expect(problems(`REDIS_PASSWORD='long-enough${character}really'`)).toEqual([
      'line 1: REDIS_PASSWORD has a character that a URL cannot carry, and CELERY_BROKER_URL is made of it: use letters, digits and - . _ ~',
    ]);
  });

  test('a password that is not printable ASCII', () => {
    for (const value of ['long-enough-\u00e9', 'long-enough\t-tab']) {
      expect(problems(`ARANGO_PASSWORD='${value}'`)).toEqual([
        'line 1: ARANGO_PASSWORD has a character that is not printable ASCII: not every client sends it as it is; choose another value',
      ]);
    }
  });

  const notOne = 'is no NAME=value: a name of letters, digits and underscores, and no space around the =';
  const differently = 'which programs read differently: put the value into single quotes';
  test.each([
    ['no =', 'hush-hush-hush', `line 1: ${notOne}`],
    ['a space before the =', 'ARANGO_PASSWORD =hush-hush-hush', `line 1: ${notOne}`],
    ['a dash in the name', 'ARANGO-PASSWORD=hush-hush-hush', `line 1: ${notOne}`],
    [
      'a space after the =',
      'ARANGO_PASSWORD= hush-hush-hush',
      'line 1: ARANGO_PASSWORD has a space without quotes: put the value into single quotes',
    ],
    [
      'a space in the value',
      'ARANGO_PASSWORD=hush hush hush',
      'line 1: ARANGO_PASSWORD has a space without quotes: put the value into single quotes',
    ],
    [
      'a quote that stays open',
      "ARANGO_PASSWORD='hush-hush-hush",
      "line 1: ARANGO_PASSWORD opens with ' and does not close: one value is one line, with the same quote at both ends",
    ],
    [
      'text after the quote',
      "ARANGO_PASSWORD='hush'hush-hush",
      "line 1: ARANGO_PASSWORD goes on after its closing ': put the whole value into one pair of quotes",
    ],
    [
      'a variable in double quotes',
      'ARANGO_PASSWORD="$hush-hush-hush"',
      'line 1: ARANGO_PASSWORD has a \\, $ or ` in double quotes, where programs read it differently: use single quotes',
    ],
    ['a variable without quotes', 'ARANGO_PASSWORD=hush-hush-$hush', `line 1: ARANGO_PASSWORD has a \\, $, \` or quote, ${differently}`],
    ['a quote in the middle', 'ARANGO_PASSWORD=hush"hush"hush', `line 1: ARANGO_PASSWORD has a \\, $, \` or quote, ${differently}`],
  ])('%s', (_, text, sentence) => {
    expect(problems(text)).toEqual([sentence]);
  });

  test('a variable that stands there twice', () => {
    expect(problems('FOO=a\nARANGO_PASSWORD=hush-hush-hush\nARANGO_PASSWORD=hush-hush-hush\nFOO=b')).toEqual([
      'line 3: ARANGO_PASSWORD stands on line 2 already: which one counts? Take one of them out',
      'line 4: FOO stands on line 1 already: which one counts? Take one of them out',
    ]);
  });

  test.each([
    ['ARANGO_DATABASE', 'symphainy_platform', 'settings.arangodb.database'],
    ['ARANGO_USERNAME', 'platform_user', 'settings.arangodb.username'],
    ['CONSUL_DATACENTER', 'dc1', 'settings.consul.datacenter'],
    ['OTEL_SERVICE_NAME', 'symphainy-platform', 'settings.app.name'],
  ])('%s where the profile has another', (name, mine, path) => {
    expect(problems(`${name}=${mine}`)).toEqual([]);
    expect(problems(`${name}=mine`)).toEqual([
      `line 1: ${name} is "mine", and the profile dev has "${mine}": change ${path} in settings/index.ts, or the line`,
    ]);
  });

  test('all at once, and no value is told', () => {
    const text = 'ARANGO_PASSWORD=hush\n\nREDIS_PASSWORD=hush/hush-hush\nhush\nARANGO_ROOT_PASSWORD="hush';
    expect(problems(text).map((line) => line.split(' ').slice(0, 3).join(' '))).toEqual([
      'line 1: ARANGO_PASSWORD',
      'line 3: REDIS_PASSWORD',
      'line 4: is',
      'line 5: ARANGO_ROOT_PASSWORD',
    ]);
    expect(problems(text).join()).not.toContain('hush');
  });
});

test('the example that came with the compose file is refused for its placeholders alone', () => {
  const example = `# Database
ARANGO_ROOT_PASSWORD=your_secure_password
ARANGO_DATABASE=symphainy_platform
ARANGO_USERNAME=platform_user
ARANGO_PASSWORD=platform_password

# Redis
REDIS_URL=redis://redis:6379/0
REDIS_PASSWORD=your_redis_password

OTEL_SERVICE_NAME=symphainy-platform
OTEL_RESOURCE_ATTRIBUTES=service.name=symphainy-platform,service.version=1.0.0
CONSUL_HTTP_ADDR=http://consul:8500
CONSUL_DATACENTER=dc1
TEMPO_ENDPOINT=http://tempo:3200`;
  expect(problems(example).map((line) => line.split(':').slice(0, 2).join(':'))).toEqual([
    'line 2: ARANGO_ROOT_PASSWORD is a placeholder',
    'line 5: ARANGO_PASSWORD is a placeholder',
    'line 9: REDIS_PASSWORD is a placeholder',
  ]);
});
