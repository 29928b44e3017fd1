import { Duration, Size } from 'cdk8s';
import { Cpu } from 'cdk8s-plus-27';
import { expect, test } from 'vitest';
import { emptyDir } from './disk.ts';
import { type Container, cpuLimit, goMemoryLimit, http, shell, tcp } from './pod.ts';
import { podOf } from './render.ts';
import { component, rendered } from './testing.ts';
import { deployment } from './workload.ts';

function pod(container: Partial<Container>) {
  const resources = { cpu: Cpu.millis(10), memory: Size.mebibytes(16) };
  const containers = [{ name: 'a', image: 'example.org/a:1', resources, ...container }];
  return podOf(
    rendered((chart) =>
      deployment(component(chart, 'a'), { strategy: 'RollingUpdate', priority: 'view', grace: Duration.seconds(7), containers }),
    )('Deployment'),
  );
}

test('variables keep their order', () => {
  const env = { B: { fieldRef: { fieldPath: 'metadata.name' } }, A: '$(B)' };
  expect(pod({ env })?.containers[0]?.env).toEqual([
    { name: 'B', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.name' } } },
    { name: 'A', value: '$(B)' },
  ]);
});

test('memory and disk have equal requests and limits, and CPU may burst', () => {
  const resources = { cpu: Cpu.millis(500), memory: Size.mebibytes(96) };
  expect(pod({ resources, mounts: [emptyDir('/tmp', 'tmp', Size.mebibytes(100))] })?.containers[0]?.resources).toEqual({
    requests: { cpu: '500m', memory: '96Mi', 'ephemeral-storage': '164Mi' },
    limits: { cpu: '2', memory: '96Mi', 'ephemeral-storage': '164Mi' },
  });
  expect(cpuLimit(Cpu.millis(10))).toBe(1000);
});

test('a volume with two mounts is declared once', () => {
  const mounts = [emptyDir('/tmp', 'tmp', Size.mebibytes(1)), emptyDir('/var/tmp', 'tmp', Size.mebibytes(1))];
  expect(pod({ mounts })?.volumes).toHaveLength(1);
});

test('the pod has the grace period and the priority of its shape', () => {
  expect(pod({})).toMatchObject({ terminationGracePeriodSeconds: 7, priorityClassName: 'test-view', restartPolicy: 'Always' });
});

test('`group` changes the group of the processes, but not that of the disks', () => {
  const security = (options: { readonly group?: number }) =>
    podOf(
      rendered((chart) => {
        const resources = { cpu: Cpu.millis(10), memory: Size.mebibytes(16) };
        const containers = [{ name: 'a', image: 'example.org/a:1', resources }];
        deployment(component(chart, 'a'), {
          strategy: 'RollingUpdate',
          priority: 'view',
          grace: Duration.seconds(7),
          containers,
          ...options,
        });
      })('Deployment'),
    );
  expect(security({})).toMatchObject({ securityContext: { runAsUser: 10001, runAsGroup: 10001, fsGroup: 10001 } });
  expect(security({ group: 0 })).toMatchObject({ securityContext: { runAsUser: 10001, runAsGroup: 0, fsGroup: 10001 } });
});

test('Go’s memory limit is 80% of the container’s', () => {
  expect(goMemoryLimit(Size.mebibytes(100))).toEqual({ GOMEMLIMIT: '80MiB' });
});

test('probes use named ports', () => {
  expect(http('/ready', 'web')).toMatchObject({ httpGet: { path: '/ready', port: { value: 'web' } } });
  expect(tcp('web')).toMatchObject({ tcpSocket: { port: { value: 'web' } } });
  expect(shell('true')).toMatchObject({ exec: { command: ['sh', '-c', 'true'] } });
});
