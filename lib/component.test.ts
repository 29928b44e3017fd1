import { App, Chart } from 'cdk8s';
import { expect, expectTypeOf, test } from 'vitest';
import { Component, type Endpoint } from './component.ts';
import { manifests } from './render.ts';
import { component, rendered, shared } from './testing.ts';

/** Renders a chart; returns its policies by name. */
function policies(make: (chart: Chart) => void): (name: string) => Record<string, unknown[]> {
  const app = new App();
  make(new Chart(app, 'chart', shared));
  const all = [...manifests(app).values()].flat();
  return (name) => all.find(({ kind, metadata }) => kind === 'NetworkPolicy' && metadata.name === name)?.spec;
}

const pods = (name: string) => ({ podSelector: { matchLabels: { 'app.kubernetes.io/name': name } } });

test('without connections, the policy allows DNS only', () => {
  const { egress, ingress } = policies((chart) => component(chart, 'a'))('a');
  expect(ingress).toBeUndefined();
  expect(egress).toEqual([
    {
      to: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } }, podSelector: {} }],
      ports: [
        { port: 53, protocol: 'UDP' },
        { port: 53, protocol: 'TCP' },
      ],
    },
  ]);
});

test('connect allows the connection in both policies, once', () => {
  const addresses: string[] = [];
  const policy = policies((chart) => {
    const server = component(chart, 'server').serve({ http: 80, dns: { udp: 53 } });
    const client = component(chart, 'client');
    addresses.push(client.connect(server.endpoints.http), client.connect(server.endpoints.http), client.connect(server.endpoints.dns));
  });
  expect(addresses).toEqual(['server:80', 'server:80', 'server:53']);
  expect(policy('client').egress?.slice(1)).toEqual([
    { to: [pods('server')], ports: [{ port: 80, protocol: 'TCP' }] },
    { to: [pods('server')], ports: [{ port: 53, protocol: 'UDP' }] },
  ]);
  expect(policy('server').ingress).toEqual([
    { from: [pods('client')], ports: [{ port: 80, protocol: 'TCP' }] },
    { from: [pods('client')], ports: [{ port: 53, protocol: 'UDP' }] },
  ]);
});

test('an ephemeral component has its own ingress policies, and does not change those of its targets', () => {
  const policy = policies((chart) => {
    const server = component(chart, 'server').serve({ http: 80, dns: { udp: 53 } });
    const props = { role: 'test', image: 'example.org/test:1', ephemeral: true };
    const ephemeral = new Component(chart, 'ephemeral', shared, props);
    ephemeral.connect(server.endpoints.http);
    ephemeral.connect(server.endpoints.dns);
  });
  expect(policy('server').ingress).toBeUndefined();
  expect(policy('ephemeral-to-server')).toEqual({
    podSelector: pods('server').podSelector,
    policyTypes: ['Ingress'],
    ingress: [
      { from: [pods('ephemeral')], ports: [{ port: 80, protocol: 'TCP' }] },
      { from: [pods('ephemeral')], ports: [{ port: 53, protocol: 'UDP' }] },
    ],
  });
  expect(policy('ephemeral').egress?.slice(1).length).toBe(2);
});

test('a pod needs no rule to reach itself, but a rule to reach the component’s other pods', () => {
  const policy = policies((chart) => {
    const one = component(chart, 'one');
    one.connect(one.serve({ http: 80 }).endpoints.http);
    component(chart, 'many').connectSelf(7000, { udp: 7001 });
  });
  expect(policy('one').ingress).toBeUndefined();
  expect(policy('many').ingress).toEqual([
    {
      from: [pods('many')],
      ports: [
        { port: 7000, protocol: 'TCP' },
        { port: 7001, protocol: 'UDP' },
      ],
    },
  ]);
});

test('an external address is allowed by its IP addresses and port', () => {
  let address = '';
  const policy = policies((chart) => {
    address = component(chart, 'a').connectExternal({ host: 's3.example.org', port: 443, cidr: '192.0.2.0/24' });
  });
  expect(address).toBe('s3.example.org:443');
  expect(policy('a').egress?.[1]).toEqual({ to: [{ ipBlock: { cidr: '192.0.2.0/24' } }], ports: [{ port: 443, protocol: 'TCP' }] });
});

test('a Service names its ports, and selects pods by name and role', () => {
  const service = rendered((chart) =>
    component(chart, 'a').serve({ http: 80, dns: { udp: 53 } }, { name: 'b', headless: true, publishNotReadyAddresses: true }),
  )('Service');
  expect(service.metadata.name).toBe('b');
  expect(service.spec).toEqual({
    type: 'ClusterIP',
    clusterIP: 'None',
    publishNotReadyAddresses: true,
    selector: { 'app.kubernetes.io/component': 'test', 'app.kubernetes.io/name': 'a' },
    ports: [
      { name: 'http', port: 80, protocol: 'TCP', targetPort: 'http' },
      { name: 'dns', port: 53, protocol: 'UDP', targetPort: 'dns' },
    ],
  });
});

// Checked by tsc, which npm test runs.
test('an endpoint has the type of its protocol, and another protocol does not compile', () => {
  const { endpoints } = component(new Chart(new App(), 'chart', shared), 'a').serve({ http: 80 });
  expectTypeOf(endpoints.http).toEqualTypeOf<Endpoint<'http'>>();
  expectTypeOf<Endpoint<'http'>>().not.toExtend<Endpoint<'redis'>>();
});

test('every object has the recommended labels, with the image’s tag as version', () => {
  expect(rendered((chart) => component(chart, 'a'))('ServiceAccount').metadata.labels).toEqual({
    'app.kubernetes.io/name': 'a',
    'app.kubernetes.io/instance': 'a',
    'app.kubernetes.io/component': 'test',
    'app.kubernetes.io/part-of': 'test',
    'app.kubernetes.io/version': '1.2',
  });
});
