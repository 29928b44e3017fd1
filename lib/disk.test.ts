import { Size } from 'cdk8s';
import { expect, test } from 'vitest';
import { emptyDir, memoryDir, persistentVolumeClaim, volumeClaimTemplate } from './disk.ts';
import { rendered, shared } from './testing.ts';

test('a disk of a StatefulSet is a volumeClaimTemplate', () => {
  const mount = volumeClaimTemplate('/data', 'data', Size.gibibytes(2), { ...shared, storageClass: 'fast' });
  expect(mount).toMatchObject({ path: '/data', name: 'data', claim: { accessModes: ['ReadWriteOnce'], storageClassName: 'fast' } });
  expect(mount.volume).toBeUndefined();
});

test('a PersistentVolumeClaim is never pruned', () => {
  const claim = rendered((chart) => persistentVolumeClaim(chart, 'tempo', Size.gibibytes(2), shared))('PersistentVolumeClaim');
  expect(claim.metadata).toMatchObject({
    name: 'tempo',
    annotations: { 'argocd.argoproj.io/sync-options': 'Prune=false,Delete=false', 'kustomize.toolkit.fluxcd.io/prune': 'disabled' },
  });
  expect(claim.spec).toEqual({ accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '2Gi' } } });
});

test('emptyDirs have a size limit, and those in memory use no disk', () => {
  expect(emptyDir('/tmp', 'tmp', Size.mebibytes(64))).toMatchObject({
    ephemeralStorage: 64,
    volume: { emptyDir: { sizeLimit: { value: '64Mi' } } },
  });
  expect(memoryDir('/run/x', 'x', Size.mebibytes(1))).toMatchObject({
    volume: { emptyDir: { medium: 'Memory', sizeLimit: { value: '1Mi' } } },
  });
  expect(memoryDir('/run/x', 'x', Size.mebibytes(1)).ephemeralStorage).toBeUndefined();
});
