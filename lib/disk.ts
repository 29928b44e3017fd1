import type { Size } from 'cdk8s';
import { k8s } from 'cdk8s-plus-27';
import type { Construct } from 'constructs';
import type { Shared } from './component.ts';
import type { Mount } from './mount.ts';
import { bytes } from './quantity.ts';

function specOf(size: Size, storageClass?: string): k8s.PersistentVolumeClaimSpec {
  return {
    accessModes: ['ReadWriteOnce'],
    resources: { requests: { storage: bytes(size) } },
    ...(storageClass !== undefined && { storageClassName: storageClass }),
  };
}

/** A disk for each pod of a StatefulSet. A volumeClaimTemplate is immutable. */
export function volumeClaimTemplate(path: string, name: string, size: Size, shared: Shared): Mount {
  return { path, name, claim: specOf(size, shared.storageClass) };
}

/**
 * A claim template with the API server's defaults: the list is atomic, so a second server-side applier of an incomplete template would
 * conflict. The annotations cannot be added to an existing StatefulSet.
 */
export function completeTemplate(name: string, spec: k8s.PersistentVolumeClaimSpec): object {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name, annotations: NEVER_PRUNE },
    spec: { ...k8s.toJson_PersistentVolumeClaimSpec(spec), volumeMode: 'Filesystem' },
    status: { phase: 'Pending' },
  };
}

/** A disk that outlives the Deployment that mounts it. */
export interface Disk {
  /** Mounts the disk at the folder `path`. */
  mount(path: string): Mount;
}

/** The PersistentVolumeClaim `name`, which GitOps controllers do not prune. */
export function persistentVolumeClaim(scope: Construct, name: string, size: Size, shared: Shared): Disk {
  new k8s.KubePersistentVolumeClaim(scope, name, {
    metadata: {
      name,
      namespace: shared.namespace,
      labels: {
        ...shared.labels,
        'app.kubernetes.io/name': name,
        'app.kubernetes.io/instance': name,
        'app.kubernetes.io/component': 'disk',
      },
      annotations: NEVER_PRUNE,
    },
    spec: specOf(size, shared.storageClass),
  });
  return { mount: (path) => ({ path, name: 'data', volume: { persistentVolumeClaim: { claimName: name } } }) };
}

/** Annotations that keep Argo CD and Flux from deleting an object. */
export const NEVER_PRUNE = {
  'argocd.argoproj.io/sync-options': 'Prune=false,Delete=false',
  'kustomize.toolkit.fluxcd.io/prune': 'disabled',
};

/** An emptyDir on the node's disk. The pod is evicted when it exceeds `size`. */
export function emptyDir(path: string, name: string, size: Size): Mount {
  return { path, name, volume: { emptyDir: { sizeLimit: bytes(size) } }, ephemeralStorage: size.toMebibytes() };
}

/** An emptyDir in memory, for files that contain secrets. It counts as memory of the container. */
export function memoryDir(path: string, name: string, size: Size): Mount {
  return { path, name, volume: { emptyDir: { medium: 'Memory', sizeLimit: bytes(size) } } };
}
