import { App, Chart, Duration, Size } from 'cdk8s';
import { Cpu } from 'cdk8s-plus-27';
import { expect, test } from 'vitest';
import { Component } from './component.ts';
import { configMap } from './config.ts';
import { NEVER_PRUNE, persistentVolumeClaim, volumeClaimTemplate } from './disk.ts';
import type { Mount } from './mount.ts';
import { claimTemplates, manifests } from './render.ts';
import { component, rendered, shared } from './testing.ts';
import { deployment, deploymentPerDisk, job, statefulSet } from './workload.ts';

const shape = (...mounts: Mount[]) => ({
  priority: 'data' as const,
  grace: Duration.seconds(1),
  containers: [{ name: 'a', image: 'example.org/a:1', resources: { cpu: Cpu.millis(10), memory: Size.mebibytes(16) }, mounts }],
});
const selector = { 'app.kubernetes.io/name': 'a', 'app.kubernetes.io/instance': 'a' };

test('a StatefulSet retains its disks and starts its pods in parallel', () => {
  const of = rendered((chart) => {
    const a = component(chart, 'a');
    const service = a.serve({ http: 80 }, { name: 'a-members', headless: true });
    statefulSet(a, {
      ...shape(volumeClaimTemplate('/data', 'data', Size.gibibytes(1), shared)),
      service,
      replicas: 3,
      requireAntiAffinity: true,
    });
  });
  expect(of('StatefulSet').spec).toMatchObject({
    serviceName: 'a-members',
    replicas: 3,
    podManagementPolicy: 'Parallel',
    persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
    selector: { matchLabels: selector },
  });
  // With the API server's defaults, and without labels: a version would change an immutable field with every release.
  expect(claimTemplates(of('StatefulSet'))).toEqual([
    {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name: 'data', annotations: NEVER_PRUNE },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, volumeMode: 'Filesystem' },
      status: { phase: 'Pending' },
    },
  ]);
  expect(of('StatefulSet').spec.template.spec.affinity.podAntiAffinity).toHaveProperty('requiredDuringSchedulingIgnoredDuringExecution');
  expect(of('PodDisruptionBudget').spec).toMatchObject({ maxUnavailable: 1, selector: { matchLabels: selector } });
});

test('a single pod has no spread constraints, no disruption budget and no preStop hook', () => {
  const of = rendered((chart) => deployment(component(chart, 'a'), { ...shape(), strategy: 'Recreate' }));
  expect(of('Deployment').spec).toMatchObject({ replicas: 1, strategy: { type: 'Recreate' } });
  expect(of('Deployment').spec.template.spec).not.toHaveProperty('topologySpreadConstraints');
  expect(of('Deployment').spec.template.spec.containers[0]).not.toHaveProperty('lifecycle');
  expect(() => of('PodDisruptionBudget')).toThrow('0 objects of kind PodDisruptionBudget');
});

test('several pods are spread where possible and replaced one by one', () => {
  const of = rendered((chart) => deployment(component(chart, 'a'), { ...shape(), strategy: 'RollingUpdate', replicas: 2 }));
  expect(of('Deployment').spec.strategy).toEqual({ type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } });
  expect(of('Deployment').spec.template.spec.affinity.podAntiAffinity).toHaveProperty('preferredDuringSchedulingIgnoredDuringExecution');
  expect(of('Deployment').spec.template.spec.topologySpreadConstraints[0]).toMatchObject({ whenUnsatisfiable: 'ScheduleAnyway' });
});

test('Deployments with a disk each are spread together, share a budget and never stop all at once', () => {
  const app = new App();
  const chart = new Chart(app, 'chart', shared);
  const disks = [0, 1].map((index) => persistentVolumeClaim(chart, `a-${index}`, Size.gibibytes(1), shared));
  deploymentPerDisk(component(chart, 'a'), disks, (disk) => shape(disk.mount('/data')));
  const all = [...manifests(app).values()].flat();
  const [first, second] = all.filter(({ kind }) => kind === 'Deployment');
  const everyPod = { matchLabels: { 'app.kubernetes.io/name': 'a' } };
  for (const [index, each] of [first, second].entries()) {
    expect(each?.metadata.name).toBe(`a-${index}`);
    expect(each?.spec).toMatchObject({ replicas: 1, strategy: { type: 'Recreate' } });
    expect(each?.spec.template.spec.volumes).toEqual([{ name: 'data', persistentVolumeClaim: { claimName: `a-${index}` } }]);
    expect(each?.spec.template.spec.topologySpreadConstraints[0].labelSelector).toEqual(everyPod);
  }
  const waits = [first, second].map((each) => each?.spec.template.spec.containers[0].lifecycle.preStop.sleep.seconds);
  expect(waits).toEqual([5, 35]);
  const graces = [first, second].map((each) => each?.spec.template.spec.terminationGracePeriodSeconds);
  expect(graces).toEqual([6, 36]);
  const budgets = all.filter(({ kind }) => kind === 'PodDisruptionBudget');
  expect(budgets.map(({ spec }) => spec.selector)).toEqual([everyPod]);
});

test('a second replica does not change the pod template', () => {
  const template = (replicas: number) =>
    rendered((chart) => deployment(component(chart, 'a'), { ...shape(), strategy: 'RollingUpdate', replicas }))('Deployment').spec.template;
  expect(template(2)).toEqual(template(1));
});

test('an autoscaled Deployment has no number of replicas', () => {
  const of = rendered((chart) => deployment(component(chart, 'a'), { ...shape(), strategy: 'RollingUpdate', autoscaled: true }));
  expect(of('Deployment').spec).not.toHaveProperty('replicas');
});

test('a Deployment with `Recreate` is exempt from kube-score’s checks of replicas', () => {
  const single = rendered((chart) => deployment(component(chart, 'a'), { ...shape(), strategy: 'Recreate' }));
  expect(single('Deployment').metadata.annotations).toEqual({ 'kube-score/ignore': 'deployment-strategy,deployment-replicas' });
  const several = rendered((chart) => deployment(component(chart, 'a'), { ...shape(), strategy: 'RollingUpdate' }));
  expect(several('Deployment').metadata.annotations).toBeUndefined();
});

test('checkov’s exceptions are numbered: first the loaded images, then the Secrets in variables', () => {
  const reason = 'the program reads no file';
  const annotations = (imagePullPolicy: 'Always' | 'IfNotPresent') => {
    const of = rendered((chart) => {
      const a = new Component(chart, 'a', { ...shared, imagePullPolicy }, { role: 'test', image: 'example.org/a:1' });
      statefulSet(a, { ...shape(), service: a.serve({ http: 80 }, { headless: true }), secretEnvReason: reason });
    });
    return of('StatefulSet').metadata.annotations;
  };
  expect(annotations('Always')).toEqual({ 'checkov.io/skip1': `CKV_K8S_35=${reason}` });
  expect(annotations('IfNotPresent')).toMatchObject({
    'checkov.io/skip1': expect.stringMatching(/^CKV_K8S_15=/),
    'checkov.io/skip2': `CKV_K8S_35=${reason}`,
  });
});

test('a Job with a deadline is not retried and keeps its failed pod', () => {
  const of = rendered((chart) => job(component(chart, 'a'), shape(), Duration.minutes(1)));
  expect(of('Job').spec).toMatchObject({ backoffLimit: 0, activeDeadlineSeconds: 60, template: { spec: { restartPolicy: 'Never' } } });
});

test('the name of a Job depends on its pod', () => {
  const name = (text: string) =>
    rendered((chart) => {
      const a = component(chart, 'a');
      job(a, shape(configMap(a, () => ({ script: text })).mount('/opt')));
    })('Job').metadata.name;
  expect(name('x')).toMatch(/^a-[0-9a-f]{8}$/);
  expect(name('x')).toBe(name('x'));
  expect(name('x')).not.toBe(name('y'));
});
