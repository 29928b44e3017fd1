import { testRule } from './testing.ts';

testRule('quota', [
  [
    'more memory than there may be',
    (find) => (find('ResourceQuota', 'quota').spec.hard['requests.memory'] = '383Mi'),
    'it is 383Mi, and all pods of this profile need 384 MiB',
  ],
  [
    'more disk',
    (find) => (find('ResourceQuota', 'quota').spec.hard['requests.storage'] = '3Gi'),
    'it is 3Gi, and all pods of this profile need 4096 MiB',
  ],
  [
    'more pods than the autoscaler may make',
    (_, objects) =>
      objects.push({
        kind: 'HorizontalPodAutoscaler',
        metadata: { name: 'watcher' },
        spec: { scaleTargetRef: { name: 'watcher' }, maxReplicas: 9 },
      }),
    'it is 600m, and all pods of this profile need 1.4 cores',
  ],
  [
    'more pods than the quota has cores for',
    (find) => (find('StatefulSet', 'server').spec.replicas = 4),
    'it is 600m, and all pods of this profile need 0.7 cores',
  ],
]);
