import { expect, test } from 'vitest';
import { type Manifest, podOf } from '../../lib/render.ts';
import { Platform } from '../../rules/platform.ts';
import { quota } from '../../rules/quota.ts';
import { profileOf } from '../profile.ts';
import { jobOf } from './job.ts';
import { pathsOf } from './paths.ts';
import { addresses, capacity, probePod, probeResult } from './probe-pods.ts';

const profile = profileOf('dev');
const paths = pathsOf(profile);
const job = jobOf(profile.smoke);

test('a probe pod is hardened like the Job, and no workload, budget or Service selects it', () => {
  const selectors = profile.objects
    .filter(({ kind }) => /^(Deployment|StatefulSet|PodDisruptionBudget|Service)$/.test(kind))
    .map(({ spec }) => Object.entries<string>(spec.selector.matchLabels ?? spec.selector));
  for (const source of paths.sources) {
    const pod = probePod(source, paths, profile.smoke, []);
    expect(pod.spec.containers[0].securityContext).toEqual(podOf(job)?.containers[0]?.securityContext);
    expect(pod.spec).toMatchObject({
      securityContext: { runAsNonRoot: true },
      automountServiceAccountToken: false,
      restartPolicy: 'Never',
    });
    expect(pod.spec.volumes).toBeUndefined();
    const selecting = selectors.filter((labels) => labels.every(([key, value]) => pod.metadata.labels?.[key] === value));
    expect(selecting).toEqual([]);
  }
});

test.each(['dev', 'prod'])('the quota of %s has room for the Job and all probe pods during a rollout', (name) => {
  const profile = profileOf(name);
  const paths = pathsOf(profile);
  const probePods = paths.sources.map((source) => {
    const { metadata, spec } = probePod(source, paths, profile.smoke, []);
    return { apiVersion: 'v1', kind: 'Job', metadata, spec: { template: { metadata, spec } } };
  });
  const platform = new Platform([...profile.objects, ...profile.smoke, ...probePods]);
  expect([...quota(platform)].map(({ wrong }) => wrong)).toEqual([]);
});

test("a Service port has the Service's address, or those of its ready pods", () => {
  const service = (name: string, clusterIP: string) => ({ apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { clusterIP } });
  const slice = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'headless-x', labels: { 'kubernetes.io/service-name': 'headless' } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080 }],
    endpoints: [
      { addresses: ['10.0.0.1'], conditions: { ready: true } },
      { addresses: ['10.0.0.2'], conditions: { ready: false } },
    ],
  };
  const network = [service('headless', 'None'), service('virtual', '10.96.0.9'), slice];
  const of = (service: string) => addresses({ service, name: 'http', port: 80 }, network);
  expect(of('headless')).toEqual([['10.0.0.1', 8080]]);
  expect(of('virtual')).toEqual([['10.96.0.9', 80]]);
  expect(of('unknown')).toEqual([]);
});

test('a probe pod has a result once it has ended', () => {
  const pod = (status: object): Manifest => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' }, status });
  const ended = (message: string) => [{ state: { terminated: { message, reason: 'Error' } } }];
  expect(probeResult(pod({ phase: 'Running' }))).toBeUndefined();
  expect(probeResult(pod({ phase: 'Succeeded', containerStatuses: ended('[0, 3]') }))).toEqual([0, 3]);
  expect(probeResult(pod({ phase: 'Failed', containerStatuses: ended('') }))).toBe('Error');
  expect(probeResult(pod({ phase: 'Failed', message: 'it took too long' }))).toBe('it took too long');
  expect(probeResult(pod({ phase: 'Failed' }))).toBe('it wrote no result');
});

test('as many probe pods run at a time as the quota has room for', () => {
  const quota = (used: string): Manifest => ({
    apiVersion: 'v1',
    kind: 'ResourceQuota',
    metadata: { name: 'quota' },
    status: { hard: { 'requests.memory': '1Gi' }, used: { 'requests.memory': used } },
  });
  expect(capacity([], job)).toBe(Number.POSITIVE_INFINITY);
  expect(capacity([quota('800Mi')], job)).toBe(3);
  expect(capacity([quota('1Gi')], job)).toBe(0);
});
