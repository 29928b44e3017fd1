import { testRule } from './testing.ts';

testRule('duplicates', [
  [
    'the same object twice',
    (find, objects) => objects.push(structuredClone(find('ConfigMap', 'client'))),
    'all.yaml: ConfigMap client: metadata.name: another object has this kind and name',
  ],
]);
