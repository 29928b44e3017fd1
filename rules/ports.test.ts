import { container, testRule } from './testing.ts';

testRule('ports', [
  [
    'a program that listens at another port',
    (find) => container(find('StatefulSet', 'server')).args.splice(1, 1, '--metrics=:19121'),
    'StatefulSet server: spec.template.spec.containers[0].ports[1]: server is not configured to listen at 9121 (metrics)',
  ],
  [
    'a port that only the address of another host has',
    (find) => container(find('StatefulSet', 'server')).args.splice(1, 1, '--peer=http://other:9121'),
    'server is not configured to listen at 9121 (metrics)',
  ],
]);
