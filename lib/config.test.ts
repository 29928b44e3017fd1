import { Duration, Size } from 'cdk8s';
import { Cpu } from 'cdk8s-plus-27';
import { expect, test } from 'vitest';
import { configMap, hash, yaml } from './config.ts';
import { component, rendered } from './testing.ts';
import { deployment } from './workload.ts';

test('YAML has no folded lines and no aliases', () => {
  const twice = { text: 'a b '.repeat(60).trim() };
  expect(yaml({ one: twice, two: twice }).split('\n')).toHaveLength(5);
});

test('a hash depends only on the content', () => {
  expect(hash({ a: 1 })).toBe(hash({ a: 1 }));
  expect(hash({ a: 1 })).not.toBe(hash({ a: 2 }));
});

function pod(text: string) {
  return rendered((chart) => {
    const a = component(chart, 'a');
    let late = '';
    const files = configMap(a, () => ({ file: late }));
    const resources = { cpu: Cpu.millis(10), memory: Size.mebibytes(16) };
    const containers = [{ name: 'a', image: 'example.org/a:1', resources, mounts: [files.mount('/etc/a')] }];
    deployment(a, { strategy: 'RollingUpdate', priority: 'view', grace: Duration.seconds(1), containers });
    late = text;
  });
}

test('files are rendered at synth and mounted read-only', () => {
  const of = pod('late');
  expect(of('ConfigMap').data).toEqual({ file: 'late' });
  expect(of('Deployment').spec.template.spec.containers[0].volumeMounts).toEqual([{ name: 'a', mountPath: '/etc/a', readOnly: true }]);
});

test('a changed file changes the pod', () => {
  const annotations = (text: string) => pod(text)('Deployment').spec.template.metadata.annotations;
  expect(annotations('x')).toEqual(annotations('x'));
  expect(annotations('x')).not.toEqual(annotations('y'));
});
