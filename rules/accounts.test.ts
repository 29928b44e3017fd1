import { remove, testRule } from './testing.ts';

testRule('accounts', [
  [
    'an unknown account',
    (find) => Object.assign(find('Deployment', 'client').spec.template.spec, { serviceAccountName: 'nobody' }),
    'all.yaml: Deployment client: spec.template.spec.serviceAccountName: no ServiceAccount "nobody" exists; use one of server, client, watcher (accounts)',
  ],
  ['an unknown priority', (_, objects) => remove(objects, 'PriorityClass', 'test-data'), 'no PriorityClass "test-data" exists'],
]);
