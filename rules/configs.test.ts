import { container, remove, testRule } from './testing.ts';

testRule('configs', [
  ['an unknown ConfigMap', (_, objects) => remove(objects, 'ConfigMap', 'client'), 'no ConfigMap client exists'],
  [
    'an unknown file',
    (find) => (container(find('Deployment', 'client')).args = ['--config=/etc/client/config.yaml']),
    'it reads /etc/client/config.yaml, and ConfigMap client has no key config.yaml; use one of board.json, client.yaml, sources.yaml',
  ],
]);
