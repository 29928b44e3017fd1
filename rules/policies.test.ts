import { remove, testRule } from './testing.ts';

testRule('policies', [
  [
    'a pod without a policy',
    (_, objects) => remove(objects, 'NetworkPolicy', 'client'),
    'Deployment client: spec.template.metadata.labels: no NetworkPolicy restricts its ingress',
  ],
]);
