import { container, testRule } from './testing.ts';

testRule('quorums', [
  [
    'a server that is ready before it votes',
    (find) => (container(find('StatefulSet', 'server')).readinessProbe.successThreshold = 1),
    'all.yaml: StatefulSet server: spec.template.spec.containers[0].readinessProbe.successThreshold: a server is ready after 0 s of good health, and votes only after up to 20 s; require 20 s of successful probes (quorums)',
  ],
  [
    'a server that is ready after 10 s',
    (find) => (container(find('StatefulSet', 'server')).readinessProbe.periodSeconds = 5),
    'a server is ready after 10 s of good health, and votes only after up to 20 s',
  ],
]);
