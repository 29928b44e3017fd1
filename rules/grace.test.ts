import { testRule } from './testing.ts';

testRule('grace', [
  [
    'too little time to stop',
    (find) => (find('StatefulSet', 'server').spec.template.spec.terminationGracePeriodSeconds = 10),
    'it is 10 s, and the program needs 30 s to stop',
  ],
]);
