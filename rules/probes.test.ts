import { container, testRule } from './testing.ts';

testRule('probes', [
  [
    'a port that is not declared',
    (find) => (container(find('Deployment', 'client')).readinessProbe.httpGet.port = 'web'),
    'client does not declare the port web; use one of http',
  ],
  ['no liveness', (find) => delete container(find('Deployment', 'client')).livenessProbe, 'livenessProbe: it is missing'],
]);
