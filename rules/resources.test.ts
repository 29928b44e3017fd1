import { container, testRule } from './testing.ts';

testRule('resources', [
  ['no limit', (find) => delete container(find('Deployment', 'client')).resources.limits.memory, 'it has no limit for memory'],
  [
    'a request above its limit',
    (find) => (container(find('Deployment', 'client')).resources.requests.cpu = '2'),
    'the request of 2 cpu exceeds the limit of 1',
  ],
]);
