import { container, testRule } from './testing.ts';

testRule('addresses', [
  [
    'an unknown host',
    (find) => (find('ConfigMap', 'client').data['client.yaml'] = 'server: sever:6379\n'),
    'all.yaml: ConfigMap client: data.client.yaml: sever:6379 is no Service and port of this profile; take the address from component.connect, or from component.connectExternal if it is outside the cluster (addresses)',
  ],
  [
    'a port that the Service does not have',
    (find) => (container(find('Deployment', 'client')).env[1].value = 'redis://server:6380/0'),
    'server:6380 is no Service and port',
  ],
  [
    'an unknown address in an argument',
    (find) => container(find('Deployment', 'client')).args.push('--peer=http://other:80/'),
    'other:80 is no Service and port',
  ],
  [
    'a URL with the default port',
    (find) => container(find('Deployment', 'client')).args.push('--peer=http://server/'),
    'server:80 is no Service and port',
  ],
  [
    'an undeclared external address',
    (find) => (find('ConfigMap', 'client').data['client.yaml'] = 'store: s3.example.com:443\n'),
    's3.example.com:443 is no Service and port',
  ],
  ['a pod that does not exist', (find) => (find('StatefulSet', 'server').spec.replicas = 2), 'server-2.server:9121 is no Service and port'],
  [
    'a listener on a port that is not declared',
    (find) => (find('ConfigMap', 'client').data['client.yaml'] = 'listen: 0.0.0.0:8081\n'),
    'no container of client declares the port of 0.0.0.0:8081',
  ],
]);
