import { remove, testRule } from './testing.ts';

testRule('governingServices', [
  [
    'an unknown Service',
    (_, objects) => remove(objects, 'Service', 'server'),
    'StatefulSet server: spec.serviceName: no Service server exists',
  ],
  [
    'a Service that is not headless',
    (find) => (find('Service', 'server').spec.clusterIP = undefined),
    'the Service server is not headless',
  ],
]);
