import { describe, expect, test } from 'vitest';
import { expand, expandText } from './grafana.ts';

const environment: Readonly<Record<string, string>> = { HOST: 'tempo', PORT: '3200', NESTED: '$HOST' };
const lookup = (name: string) => environment[name] ?? '';

describe('a text of a provisioning file', () => {
  test.each([
    ['two dollars are one', 'cost: 5$$', 'cost: 5$'],
    ['a link of Grafana needs two', '$${__value.raw}', '${__value.raw}'],
    ['and is gone with one', '${__value.raw}', ''],
    ['so is a query variable', 'calls{$__tags}', 'calls{}'],
    ['which two dollars keep', 'calls{$$__tags}', 'calls{$__tags}'],
    ['three are one, and a variable', '$$$HOST', '$tempo'],
    ['four are two', '$$$$HOST', '$$HOST'],
    ['variables in every form', 'http://$HOST:${PORT} $__env{HOST}', 'http://tempo:3200 tempo'],
    ['one that is not set is nothing', '[$NOBODY]', '[]'],
    ["a regular expression's group is a variable too", '/(.*)/$1', '/(.*)/'],
    ['its end is not', '^a$', '^a$'],
    ['nor what no name can follow', '$(HOST) $ {', '$(HOST) $ {'],
    ['a value in braces is read again', '${NESTED}', 'tempo'],
    ['another is not', '$NESTED', '$HOST'],
  ])('%s: %s', (_, text, read) => {
    expect(expandText(text, lookup)).toBe(read);
  });

  test('what only Grafana could read is refused', () => {
    expect(() => expandText('$__file{/run/password}', lookup)).toThrow('is not known here');
  });
});

test('texts are read at every depth, in values and never in keys', () => {
  const file = { datasources: [{ url: 'http://$HOST', $HOST: { list: ['$$', 5, true, null] } }] };
  expect(expand(file, lookup)).toEqual({ datasources: [{ url: 'http://tempo', $HOST: { list: ['$', 5, true, null] } }] });
});
