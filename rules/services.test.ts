import { testRule } from './testing.ts';

testRule('services', [
  [
    'a selector without pods',
    (find) => (find('Service', 'server').spec.selector = { a: 'b' }),
    'Service server: spec.selector: it selects no pod',
  ],
  [
    'an unknown target port',
    (find) => (find('Service', 'server').spec.ports[0].targetPort = 'http'),
    'spec.ports.redis.targetPort: no container of server has a TCP port "http"',
  ],
  ['another protocol', (find) => (find('Service', 'server').spec.ports[0].protocol = 'UDP'), 'has a UDP port "redis"'],
]);
