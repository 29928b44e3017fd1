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

describe('reads', () => {
  test.each([
    ['plain', 'ARANGO_PASSWORD=a-long-word-for-it-1'],
    ['with export', 'export ARANGO_PASSWORD=a-long-word-for-it-1'],
    ['in single quotes', "ARANGO_PASSWORD='a-long-word-for-it-1'"],
    ['in double quotes', 'ARANGO_PASSWORD="a-long-word-for-it-1"'],
    ['with spaces around the line', '  ARANGO_PASSWORD=a-long-word-for-it-1  '],
    ['with a comment after it', 'ARANGO_PASSWORD=a-long-word-for-it-1 # the app'],
    ['with a comment after quotes', "ARANGO_PASSWORD='a-long-word-for-it-1' # the app"],
    ['with CRLF', '# app\r\n\r\nARANGO_PASSWORD=a-long-word-for-it-1\r\n'],
    ['with a byte order mark', '\uFEFFARANGO_PASSWORD=a-long-word-for-it-1'],
  ])('a value %s', (_, text) => {
    expect(values(text)).toEqual({ 'arangodb/password': 'a-long-word-for-it-1' });
  });

  test('any printable character, in single quotes', () => {
    const odd = 'a #\\$`" =!@%& long one';
    expect(values(`ARANGO_ROOT_PASSWORD='${odd}'`)).toEqual({ 'arangodb/root-password': odd });
  });

  test('every variable into its key, and the Redis password into every Redis', () => {
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

describe('notes', () => {
  test('variables that the platform sets itself, and a password inside them', () => {
    expect(read('REDIS_URL=redis://redis:6379/0\nCELERY_BROKER_URL="redis://:${REDIS_PASSWORD}@redis:6379/0').notes).toEqual([
      'line 1: REDIS_URL is ignored: the platform sets it itself',
      'line 2: CELERY_BROKER_URL is ignored: the platform sets it itself, and uses the password in REDIS_PASSWORD instead of the one in this URL',
    ]);
  });

  test('unknown variables, and keys that the profile lacks', () => {
    expect(read("FOO=hush 'hush\nS3_ACCESS_KEY=hush").notes).toEqual([
      'line 1: FOO is ignored: the platform does not use it',
      'line 2: S3_ACCESS_KEY is ignored: the profile dev has no object-storage/access-key',
    ]);
  });
});

describe('rejects', () => {
  const generated = 'use the real value, or remove the line to have one generated';

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

  test("a value from a store's documentation", () => {
    expect(problems('S3_ACCESS_KEY=AKIAIOSFODNN7EXAMPLE', prod)).toEqual([
      'line 1: S3_ACCESS_KEY is a placeholder: use the key that your object store issued',
    ]);
  });

  test.each(['', "''", '""', ' # later'])('an empty value, written as %j', (value) => {
    expect(problems(`ARANGO_PASSWORD=${value}`)).toEqual([`line 1: ARANGO_PASSWORD is empty: ${generated}`]);
  });

  test('a short password', () => {
    expect(problems('ARANGO_PASSWORD=abcdefghijk')).toEqual([`line 1: ARANGO_PASSWORD has fewer than 12 characters: ${generated}`]);
    expect(problems('ARANGO_PASSWORD=abcdefghijkl')).toEqual([]);
  });

  test.each([...'@:/?#%+&= é'])('a Redis password with %j', (character) => {
    expect(problems(`REDIS_PASSWORD='long-enough${character}really'`)).toEqual([
      'line 1: REDIS_PASSWORD has a character that is special in a URL, and CELERY_BROKER_URL contains it: use letters, digits and - . _ ~',
    ]);
  });

  test('a password that is not printable ASCII', () => {
    for (const value of ['long-enough-\u00e9', 'long-enough\t-tab']) {
      expect(problems(`ARANGO_PASSWORD='${value}'`)).toEqual([
        'line 1: ARANGO_PASSWORD has a character that is not printable ASCII, which not every client sends unchanged: choose another value',
      ]);
    }
  });

  const notOne = 'is not NAME=value: use letters, digits and underscores in the name, and no space around the =';
  const differently = 'which programs read differently: put the value into single quotes';
  test.each([
    ['no =', 'hush-hush-hush', `line 1 ${notOne}`],
    ['a space before the =', 'ARANGO_PASSWORD =hush-hush-hush', `line 1 ${notOne}`],
    ['a dash in the name', 'ARANGO-PASSWORD=hush-hush-hush', `line 1 ${notOne}`],
    [
      'a space after the =',
      'ARANGO_PASSWORD= hush-hush-hush',
      'line 1: ARANGO_PASSWORD has a space outside quotes: put the value into single quotes',
    ],
    [
      'a space in the value',
      'ARANGO_PASSWORD=hush hush hush',
      'line 1: ARANGO_PASSWORD has a space outside quotes: put the value into single quotes',
    ],
    [
      'a missing closing quote',
      "ARANGO_PASSWORD='hush-hush-hush",
      'line 1: ARANGO_PASSWORD has an opening quote without a closing one: write one value on one line, with the same quote at both ends',
    ],
    [
      'text after the quote',
      "ARANGO_PASSWORD='hush'hush-hush",
      'line 1: ARANGO_PASSWORD continues after its closing quote: put the whole value into one pair of quotes',
    ],
    [
      'a variable in double quotes',
      'ARANGO_PASSWORD="$hush-hush-hush"',
      'line 1: ARANGO_PASSWORD has a \\, $ or ` in double quotes, which programs read differently: use single quotes',
    ],
    ['a variable without quotes', 'ARANGO_PASSWORD=hush-hush-$hush', `line 1: ARANGO_PASSWORD has a \\, $, \`, # or quote, ${differently}`],
    ['a # without quotes', 'ARANGO_PASSWORD=a-long#word-for-it', `line 1: ARANGO_PASSWORD has a \\, $, \`, # or quote, ${differently}`],
    ['a quote in the middle', 'ARANGO_PASSWORD=hush"hush"hush', `line 1: ARANGO_PASSWORD has a \\, $, \`, # or quote, ${differently}`],
  ])('%s', (_, text, sentence) => {
    expect(problems(text)).toEqual([sentence]);
  });

  test('a repeated variable', () => {
    expect(problems('FOO=a\nARANGO_PASSWORD=hush-hush-hush\nARANGO_PASSWORD=hush-hush-hush\nFOO=b')).toEqual([
      'line 3: ARANGO_PASSWORD is already on line 2: remove one of them',
      'line 4: FOO is already on line 1: remove one of them',
    ]);
  });

  test.each([
    ['ARANGO_DATABASE', 'symphainy_platform', 'settings.arangodb.database'],
    ['ARANGO_USERNAME', 'platform_user', 'settings.arangodb.username'],
    ['CONSUL_DATACENTER', 'dc1', 'settings.consul.datacenter'],
    ['OTEL_SERVICE_NAME', 'symphainy-platform', 'settings.app.name'],
  ])('%s that differs from the profile', (name, mine, path) => {
    expect(problems(`${name}=${mine}`)).toEqual([]);
    expect(problems(`${name}=mine`)).toEqual([
      `line 1: ${name} is "mine", but the profile dev has "${mine}": change ${path} in settings/index.ts, or this line`,
    ]);
  });

  test('all problems at once, without the values', () => {
    const text = 'ARANGO_PASSWORD=hush\n\nREDIS_PASSWORD=hush/hush-hush\nhush\nARANGO_ROOT_PASSWORD="hush';
    expect(problems(text).map((line) => line.split(' ').slice(0, 3).join(' '))).toEqual([
      'line 1: ARANGO_PASSWORD',
      'line 3: REDIS_PASSWORD',
      'line 4 is',
      'line 5: ARANGO_ROOT_PASSWORD',
    ]);
    expect(problems(text).join()).not.toContain('hush');
  });
});

test('the example env file of the compose setup is rejected only for its placeholders', () => {
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
