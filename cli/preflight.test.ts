import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Manifest } from '../lib/render.ts';
import { images } from '../settings/images.ts';
import { type ClusterState, createKind, loadIntoKind, problems } from './preflight.ts';
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

/** A cluster on which dev can run, but for the change. */
const on = (change: Partial<ClusterState>, profile = dev) => [
  ...problems(profile, { version: '1.34', nodes: [node()], pods: [], storageClasses: [standard], operator: true, ...change }),
];

test('a cluster that has all is fine', () => {
  expect(on({})).toEqual([]);
  expect(on({ rules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }] })).toEqual([]);
});

test('an old server is named with what is needed', () => {
  expect(on({ version: '1.29' })).toEqual(['the server is Kubernetes 1.29, and the manifests need 1.30: upgrade it']);
});

test('what the user may not do is named', () => {
  const rules = [{ verbs: ['get', 'create', 'patch'], apiGroups: ['', 'apps', 'batch', 'networking.k8s.io', 'policy'], resources: ['*'] }];
  expect(on({ rules })).toEqual([expect.stringMatching(/^you may not get or create or patch priorityclasses: ask for a role/)]);
});

test('without a default StorageClass no disk would be made', () => {
  const slow = { metadata: { name: 'slow' } } as unknown as Manifest;
  expect(on({ storageClasses: [slow] })).toEqual([
    'no StorageClass is the default, so no disk would be made: mark one as default (there is slow)',
  ]);
});

test('what the user may not see is not held against the cluster', () => {
  expect(on({ storageClasses: undefined, nodes: [] })).toEqual([]);
});

test('what the pods reserve has to fit beside what is there, and the own namespace does not count twice', () => {
  const pod = (namespace: string) =>
    ({ metadata: { name: 'x', namespace }, spec: { containers: [{ resources: { requests: { cpu: '1500m' } } }] } }) as unknown as Manifest;
  expect(on({ pods: [pod('other')] })).toEqual([expect.stringMatching(/^dev reserves [\d.]+ CPUs, and 0\.5 of 2 are free: add a node/)]);
  expect(on({ pods: [pod('platform-dev')] })).toEqual([]);
  const cordoned = node({ spec: { unschedulable: true } });
  expect(on({ nodes: [cordoned] })).toHaveLength(2);
});

test('dev fits on a node of 2 CPUs and 6 GiB, beside what a cluster of one node runs itself', () => {
  // What is left of 6 GiB by the system and by the kubelet's eviction threshold; the control plane and the network of kind.
  const small = node({ status: { allocatable: { cpu: '2', memory: '5800Mi' }, images: [{ names: [images.app] }] } });
  const requests = { cpu: '950m', memory: '290Mi' };
  const others = { metadata: { name: 'x', namespace: 'kube-system' }, spec: { containers: [{ resources: { requests } }] } };
  expect(on({ nodes: [small], pods: [others as unknown as Manifest] })).toEqual([]);
});

test("the reference app's image has to be on the nodes, since no registry has it; a node tells of 50 images at most", () => {
  const bare = node({ status: { allocatable: { cpu: '2', memory: '8000000Ki' }, images: [] } });
  expect(on({ nodes: [bare] })).toEqual([
    expect.stringMatching(/is the reference app's image.*node lacks it: build it \(docker build -t platform\/celery-app:dev app\)/),
  ]);
  const own = { ...dev, settings: { ...dev.settings, images: { ...dev.settings.images, app: 'registry.example/app:1' } } };
  expect(on({ nodes: [bare] }, own)).toEqual([]);
  const full = Array.from({ length: 50 }, (_, index) => ({ names: [`registry.example/${index}:1`] }));
  expect(on({ nodes: [node({ status: { ...bare.status, images: full } })] })).toEqual([]);
  expect(on({ nodes: [node({ status: { ...bare.status, images: full.slice(1) } })] })).toHaveLength(1);
});

test('a profile whose Secrets an operator makes needs the operator', () => {
  const big = node({ status: { allocatable: { cpu: '64', memory: '512Gi' }, images: [{ names: [images.app] }] } });
  expect(on({ nodes: [big], operator: false }, profileOf('prod'))).toEqual([
    expect.stringMatching(/^the External Secrets Operator.*is not in the cluster/),
  ]);
});

describe('the tools around a kind cluster', () => {
  const path = process.env.PATH;
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tools-'));
    process.env.PATH = folder;
  });
  afterEach(() => {
    process.env.PATH = path;
    rmSync(folder, { recursive: true });
  });

  /** A tool that writes down how it was called, and ends like that. */
  const tool = (name: string, end: string) =>
    writeFileSync(join(folder, name), `#!/bin/sh\necho "${name} $*" >>${folder}/calls\n${end}\n`, { mode: 0o755 });

  test('the image is built from app/ and loaded into the nodes of the context', async () => {
    tool('docker', 'exit 0');
    tool('kind', 'exit 0');
    const said: string[] = [];
    await loadIntoKind('docker.io/platform/celery-app:dev', 'kind-platform-dev', (line) => said.push(line));
    expect(readFileSync(join(folder, 'calls'), 'utf8')).toBe(
      'docker build --quiet --tag platform/celery-app:dev app\nkind load docker-image platform/celery-app:dev --name platform-dev\n',
    );
    expect(said).toEqual(['builds platform/celery-app:dev from app/', 'loads platform/celery-app:dev into the nodes of kind-platform-dev']);
  });

  test('a tool that is missing is named with what to do', async () => {
    await expect(createKind('platform-dev')).rejects.toThrow(
      'kind is not on PATH: install it, or bring the image and the cluster yourself',
    );
  });

  test('a tool that fails is named with its last words', async () => {
    tool('kind', 'echo "Creating" >&2; echo "ERROR: no container engine" >&2; exit 1');
    await expect(createKind('platform-dev')).rejects.toThrow(/^kind create failed: ERROR: no container engine$/);
    expect(readFileSync(join(folder, 'calls'), 'utf8')).toBe('kind create cluster --name platform-dev --wait 120s\n');
  });
});
