import { expect, test } from 'vitest';
import type { Manifest } from '../../lib/render.ts';
import { diagramOf, mermaid } from './diagram.ts';

const labels = (name: string, role: string) => ({ 'app.kubernetes.io/name': name, 'app.kubernetes.io/component': role });
const workload = (kind: string, name: string, role: string, ports: object[]): Manifest => ({
  apiVersion: 'apps/v1',
  kind,
  metadata: { name, labels: labels(name, role) },
  spec: { template: { spec: { containers: [{ name, ports }] } } },
});
const policy = (name: string, from: string[], port: number, more: object = {}): Manifest => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name },
  spec: {
    ingress: from.map((each) => ({
      from: [{ podSelector: { matchLabels: { 'app.kubernetes.io/name': each } } }],
      ports: [{ port, protocol: 'TCP' }],
    })),
    ...more,
  },
});

const diagram = diagramOf([
  workload('StatefulSet', 'redis', 'broker', [{ name: 'redis', containerPort: 6379, protocol: 'TCP' }]),
  workload('Deployment', 'my-app', 'worker', []),
  workload('StatefulSet', 'prometheus', 'metrics', []),
  policy('redis', ['my-app', 'prometheus', 'redis'], 6379),
  policy('my-app', [], 0, { egress: [{ to: [{ ipBlock: { cidr: '0.0.0.0/0' } }], ports: [{ port: 443, protocol: 'TCP' }] }] }),
]);

test('edges are the connections that policies allow, with named ports', () => {
  expect(diagram.edges).toEqual([
    { from: 'my-app', to: 'redis', ports: ['redis'], numbers: ['6379/TCP'], kind: 'data' },
    { from: 'prometheus', to: 'redis', ports: ['redis'], numbers: ['6379/TCP'], kind: 'watch' },
    { from: 'my-app', to: 'outside', ports: ['443'], numbers: ['443/TCP'], kind: 'data' },
  ]);
});

test('the flowchart shows connections that carry data', () => {
  expect(mermaid(diagram, { watch: false }).split('\n')).toEqual([
    'flowchart LR',
    '  redis[(redis)]',
    '  my_app[my-app]',
    '  prometheus[(prometheus)]',
    '  outside([object storage])',
    '  my_app -->|redis| redis',
    '  my_app -->|443| outside',
  ]);
});

test('the flowchart shows monitoring on request, as dotted arrows', () => {
  expect(mermaid(diagram, { watch: false })).not.toContain('-.->');
  expect(mermaid(diagram, { watch: true })).toContain('  prometheus -.-> redis');
});
