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

/** A disk of each pod of a StatefulSet. Its name, size class and access mode are immutable: Kubernetes refuses to change them. */
export function volumeClaimTemplate(path: string, name: string, size: Size, shared: Shared): Mount {
  return { path, name, claim: specOf(size, shared.storageClass) };
}

/**
 * The template as the API server stores it, with every default: the list is atomic, so a second server-side applier would conflict
 * over what is left to the server. Annotations cannot be added once a StatefulSet exists.
 */
export function storedTemplate(name: string, spec: k8s.PersistentVolumeClaimSpec): object {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name, annotations: KEPT },
    spec: { ...k8s.toJson_PersistentVolumeClaimSpec(spec), volumeMode: 'Filesystem' },
    status: { phase: 'Pending' },
  };
}

/** A disk that outlives the Deployment that mounts it. */
export interface Disk {
  at(path: string): Mount;
}

/** The PersistentVolumeClaim `name`, kept when a GitOps controller prunes. */
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
      annotations: KEPT,
    },
    spec: specOf(size, shared.storageClass),
  });
  return { at: (path) => ({ path, name: 'data', volume: { persistentVolumeClaim: { claimName: name } } }) };
}

/** For Argo CD and Flux: this object holds state, never delete it. */
export const KEPT = {
  'argocd.argoproj.io/sync-options': 'Prune=false,Delete=false',
  'kustomize.toolkit.fluxcd.io/prune': 'disabled',
};

/** An emptyDir on the node's disk, which lives as long as the pod; the pod is evicted when it grows beyond `size`. */
export function emptyDir(path: string, name: string, size: Size): Mount {
  return { path, name, volume: { emptyDir: { sizeLimit: bytes(size) } }, ephemeralStorage: size.toMebibytes() };
}

/** An emptyDir in memory, counted against the pod's memory: for secrets that a program wants in a file of its own format. */
export function memoryDir(path: string, name: string, size: Size): Mount {
  return { path, name, volume: { emptyDir: { medium: 'Memory', sizeLimit: bytes(size) } } };
}
