import { testRule } from './testing.ts';

testRule('grace', [
  [
    'too little time to stop',
    (find) => (find('StatefulSet', 'server').spec.template.spec.terminationGracePeriodSeconds = 10),
    'it is 10 s, and the program needs 30 s to stop',
  ],
  [
    'a workload without a minimum',
    (find) => (find('Deployment', 'client').spec.template.metadata.labels['app.kubernetes.io/name'] = 'new'),
    'Deployment client: spec.template.spec.terminationGracePeriodSeconds: no minimum is known; declare minimumGrace in the chart',
  ],
]);
