import { container, testRule } from './testing.ts';

testRule('images', [
  [
    'latest',
    (find) => (container(find('Deployment', 'client')).image = 'example.org/a:latest'),
    'the tag "latest" may move to another image',
  ],
  ['no tag', (find) => (container(find('Deployment', 'client')).image = 'example.org/a'), 'the tag "" may move to another image'],
  [
    'a major release',
    (find) => (container(find('Deployment', 'client')).image = 'example.org/redis:7-alpine'),
    'the tag "7-alpine" may move to another image',
  ],
  ['no registry', (find) => (container(find('Deployment', 'client')).image = 'redis:7.2.4'), '"redis:7.2.4" has no registry'],
]);
