import { remove, testRule } from './testing.ts';

testRule('openPaths', [
  [
    'a client without egress',
    (find) => find('NetworkPolicy', 'client').spec.egress.splice(1, 1),
    'client uses server 6379/TCP, and the egress rules of client do not allow it',
  ],
  [
    'a server without ingress',
    (find) => delete find('NetworkPolicy', 'server').spec.ingress,
    'client uses server 6379/TCP, and the ingress rules of server do not allow it',
  ],
  [
    'no policy',
    (_, objects) => remove(objects, 'NetworkPolicy', 'watcher'),
    'watcher uses server 9121/TCP, and the egress rules of watcher do not allow it',
  ],
  [
    'an external store without egress',
    (find) => {
      const { spec } = find('NetworkPolicy', 'client');
      spec.egress = spec.egress.filter(({ to }: { to: { ipBlock?: object }[] }) => !to.some(({ ipBlock }) => ipBlock));
    },
    'its config has s3.example.org, and no policy allows egress to port 443',
  ],
]);

testRule('usedPaths', [
  [
    'unused egress',
    (find) => (find('NetworkPolicy', 'client').spec.egress[1].ports[0].port = 6380),
    'NetworkPolicy client: spec.egress[1]: it allows server 6380/TCP, and no config uses it',
  ],
  [
    'unused external egress',
    (find) => (find('ConfigMap', 'client').data['client.yaml'] = 'server: server:6379\n'),
    'it allows 0.0.0.0/0 443/TCP, and no config uses it',
  ],
  [
    'unused ingress',
    (find) => (find('NetworkPolicy', 'server').spec.ingress[1].from[0].podSelector.matchLabels['app.kubernetes.io/name'] = 'watcher'),
    'it allows watcher 6379/TCP, and no config uses it',
  ],
]);
