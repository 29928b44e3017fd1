import { container, testRule } from './testing.ts';

testRule('mounts', [
  [
    'a folder that is not mounted',
    (find) => container(find('Deployment', 'client')).volumeMounts.shift(),
    '/etc/client/client.yaml is used, and no volume is mounted there',
  ],
]);
