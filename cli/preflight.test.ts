import { expect, test } from 'vitest';
import type { Manifest } from '../lib/render.ts';
import { images } from '../settings/images.ts';
import { type ClusterState, problems } from './preflight.ts';
import { profileOf } from './profile.ts';

const dev = profileOf('dev');
const node = (change: object = {}) =>
  ({
    metadata: { name: 'node' },
    spec: {},
    status: { allocatable: { cpu: '2', memory: '8000000Ki' }, images: [{ names: [images.app] }] },
    ...change,
  }) as unknown as Manifest;
const standard = {
  metadata: { name: 'standard', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
} as unknown as Manifest;

/** The problems of a cluster on which dev can run except for this change. */
const on = (change: Partial<ClusterState>, profile = dev) => [
  ...problems(profile, { version: '1.34', nodes: [node()], pods: [], storageClasses: [standard], hasSecretsOperator: true, ...change }),
];

test('a suitable cluster has no problems', () => {
  expect(on({})).toEqual([]);
  expect(on({ rules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }] })).toEqual([]);
});

test('an old release is named with the required one', () => {
  expect(on({ version: '1.29' })).toEqual(['the cluster runs Kubernetes 1.29, and the manifests need 1.30 or later: upgrade it']);
});

test('missing permissions are named', () => {
  const rules = [{ verbs: ['get', 'create', 'patch'], apiGroups: ['', 'apps', 'batch', 'networking.k8s.io', 'policy'], resources: ['*'] }];
  expect(on({ rules })).toEqual([expect.stringMatching(/^you lack permission to get or create or patch priorityclasses: ask for a role/)]);
});

test('a default StorageClass is required', () => {
  const slow = { metadata: { name: 'slow' } } as unknown as Manifest;
  expect(on({ storageClasses: [slow] })).toEqual([
    'no StorageClass is the default, so no disk can be provisioned: mark one of slow as default',
  ]);
});

test('what the user may not list is not checked', () => {
  expect(on({ storageClasses: undefined, nodes: [] })).toEqual([]);
});

test('the requests must fit beside the pods of other namespaces, on nodes that accept pods', () => {
  const pod = (namespace: string) =>
    ({ metadata: { name: 'x', namespace }, spec: { containers: [{ resources: { requests: { cpu: '1500m' } } }] } }) as unknown as Manifest;
  expect(on({ pods: [pod('other')] })).toEqual([expect.stringMatching(/^dev needs [\d.]+ CPUs, and 0\.5 of 2 are free: add a node/)]);
  expect(on({ pods: [pod('platform-dev')] })).toEqual([]);
  const cordoned = node({ spec: { unschedulable: true } });
  expect(on({ nodes: [cordoned] })).toHaveLength(2);
});

test('dev fits on a node of 2 CPUs and 6 GiB, beside the system pods of a one-node cluster', () => {
  // 6 GiB without the system's share and the kubelet's eviction threshold; the pods are kind's control plane and network.
  const small = node({ status: { allocatable: { cpu: '2', memory: '5800Mi' }, images: [{ names: [images.app] }] } });
  const requests = { cpu: '950m', memory: '290Mi' };
  const others = { metadata: { name: 'x', namespace: 'kube-system' }, spec: { containers: [{ resources: { requests } }] } };
  expect(on({ nodes: [small], pods: [others as unknown as Manifest] })).toEqual([]);
});

test("the reference app's image must be on the nodes; a node with 50 images may not report it", () => {
  const bare = node({ status: { allocatable: { cpu: '2', memory: '8000000Ki' }, images: [] } });
  expect(on({ nodes: [bare] })).toEqual([
    expect.stringMatching(/is the image of the reference app.*lack it: node\. Build it \(docker build -t platform\/celery-app:dev app\)/),
  ]);
  const own = { ...dev, settings: { ...dev.settings, images: { ...dev.settings.images, app: 'registry.example/app:1' } } };
  expect(on({ nodes: [bare] }, own)).toEqual([]);
  const full = Array.from({ length: 50 }, (_, index) => ({ names: [`registry.example/${index}:1`] }));
  expect(on({ nodes: [node({ status: { ...bare.status, images: full } })] })).toEqual([]);
  expect(on({ nodes: [node({ status: { ...bare.status, images: full.slice(1) } })] })).toHaveLength(1);
});

test('a profile with externalSecrets needs the operator', () => {
  const big = node({ status: { allocatable: { cpu: '64', memory: '512Gi' }, images: [{ names: [images.app] }] } });
  expect(on({ nodes: [big], hasSecretsOperator: false }, profileOf('prod'))).toEqual([
    expect.stringMatching(/^the External Secrets Operator.*is not installed/),
  ]);
});
