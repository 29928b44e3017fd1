import { expect, test } from 'vitest';
import { expand, expandText } from './provisioning.ts';

const environment: Readonly<Record<string, string>> = { HOST: 'tempo', PORT: '3200', NESTED: '$HOST' };
const lookup = (name: string) => environment[name] ?? '';

test.each([
  ['two dollars are one', 'cost: 5$$', 'cost: 5$'],
  ['a variable of Grafana needs two', '$${__value.raw}', '${__value.raw}'],
  ['with one it is empty', '${__value.raw}', ''],
  ['so is a variable of a query', 'calls{$__tags}', 'calls{}'],
  ['which two dollars keep', 'calls{$$__tags}', 'calls{$__tags}'],
  ['three are one and a variable', '$$$HOST', '$tempo'],
  ['four are two', '$$$$HOST', '$$HOST'],
  ['variables in every form', 'http://$HOST:${PORT} $__env{HOST}', 'http://tempo:3200 tempo'],
  ['an unset variable is empty', '[$UNSET]', '[]'],
  ['a group of a regular expression is a variable', '/(.*)/$1', '/(.*)/'],
  ['the end of a regular expression is not', '^a$', '^a$'],
  ['nor is a dollar before anything else', '$(HOST) $ {', '$(HOST) $ {'],
  ['a value in braces is expanded again', '${NESTED}', 'tempo'],
  ['another is not', '$NESTED', '$HOST'],
])('%s: %s', (_, text, expanded) => {
  expect(expandText(text, lookup)).toBe(expanded);
});

test('a reference to a file is an error', () => {
  expect(() => expandText('$__file{/run/password}', lookup)).toThrow('the checks do not support __file');
});

test('values are expanded at every depth, keys are not', () => {
  const file = { datasources: [{ url: 'http://$HOST', $HOST: { list: ['$$', 5, true, null] } }] };
  expect(expand(file, lookup)).toEqual({ datasources: [{ url: 'http://tempo', $HOST: { list: ['$', 5, true, null] } }] });
});
