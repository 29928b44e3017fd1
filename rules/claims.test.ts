import { remove, testRule } from './testing.ts';

testRule('claims', [
  ['an unknown claim', (_, objects) => remove(objects, 'PersistentVolumeClaim', 'client'), 'no PersistentVolumeClaim client exists'],
  [
    'a rollout that overlaps on a disk',
    (find) => (find('Deployment', 'client').spec.strategy = { type: 'RollingUpdate' }),
    'a rollout would start a second pod while the first holds the claim client',
  ],
  ['two pods on a disk', (find) => (find('Deployment', 'client').spec.replicas = 2), '2 pods mount the claim client'],
  [
    'two workloads on a disk',
    (find) =>
      find('Deployment', 'watcher').spec.template.spec.volumes.push({ name: 'data', persistentVolumeClaim: { claimName: 'client' } }),
    'client mounts the claim client too',
  ],
  [
    'a disk of a StatefulSet that runs',
    (find) =>
      find('Deployment', 'watcher').spec.template.spec.volumes.push({
        name: 'data',
        persistentVolumeClaim: { claimName: 'data-server-2' },
      }),
    'the claim data-server-2 belongs to the pod server-2, which runs too; scale the StatefulSet server to 0 meanwhile',
  ],
  [
    'a disk without an ordinal',
    (find) =>
      find('Deployment', 'watcher').spec.template.spec.volumes.push({
        name: 'data',
        persistentVolumeClaim: { claimName: 'data-server-x' },
      }),
    'no PersistentVolumeClaim data-server-x exists',
  ],
  [
    'a disk that no pod mounts',
    (find) => find('Deployment', 'client').spec.template.spec.volumes.pop(),
    'PersistentVolumeClaim client: metadata.name: no pod mounts it',
  ],
]);
