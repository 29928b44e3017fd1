import { testRule } from './testing.ts';

testRule('immutable', [
  [
    'another selector',
    (find) => (find('StatefulSet', 'server').spec.selector.matchLabels.version = '1'),
    'StatefulSet server: spec.selector: it is [["app.kubernetes.io/instance","server"],["app.kubernetes.io/name","server"],["version","1"]]',
  ],
  [
    'another claim template',
    (find) => (find('StatefulSet', 'server').spec.volumeClaimTemplates[0].metadata.name = 'disk'),
    'they are [disk ReadWriteOnce], not [data ReadWriteOnce]',
  ],
  [
    'another governing Service',
    (find) => (find('StatefulSet', 'server').spec.serviceName = 'server-members'),
    'spec.serviceName: it is server-members, not server',
  ],
  [
    'another name',
    (find) => (find('Deployment', 'client').metadata.name = 'customer'),
    'metadata.name: it is neither "client" nor "client-…"',
  ],
  [
    'a new workload',
    (find) => (find('Deployment', 'client').metadata.labels['app.kubernetes.io/name'] = 'new'),
    '"new" is not in charts/immutable.ts; add it there',
  ],
]);
