import { expect, test } from 'vitest';
import { type Manifest, podOf } from '../lib/render.ts';
import { Platform } from '../rules/platform.ts';
import { quota } from '../rules/quota.ts';
import { diagramOf } from '../tools/docs/diagram.ts';
import { profileOf } from './profile.ts';
import { type CheckResult, line, parsed, summary } from './smoke/check-result.ts';
import { disks, lackingKeys } from './smoke/drift.ts';
import { addresses, graphOf, judge, type ProbeResult, podFor, probeResultOf, room, type ServicePort } from './smoke/paths.ts';
import { longest } from './smoke.ts';

const profile = profileOf('dev');
const all = profile.objects;
const graph = graphOf(profile);
const { callers, servicePorts, edge } = graph;
const pods = callers.map((caller) => podFor(caller, graph, profile.smoke, []));

/** What each pod says, where `open` decides who reaches what. */
const answers = (open: (caller: string, servicePort: ServicePort, edge: boolean) => boolean): Map<string, ProbeResult> =>
  new Map(
    callers.map((caller) => [
      caller.name,
      servicePorts.flatMap((servicePort, number) => (open(caller.name, servicePort, edge(caller, servicePort)) ? [number] : [])),
    ]),
  );
const same = { missing: [], foreign: [] };
const states = (checks: readonly CheckResult[]) => checks.map(({ state, saw }) => `${state}: ${saw}`);

test('the edges are those of the diagram, and those of servers among themselves and of the smoke test', () => {
  const found = callers.flatMap((from) =>
    servicePorts.filter((servicePort) => edge(from, servicePort)).map(({ service, name }) => `${from.name} ${service} ${name}`),
  );
  const componentOf = (service: string) =>
    all.find(({ kind, metadata }) => kind === 'Service' && metadata.name === service)?.spec.selector['app.kubernetes.io/name'];
  const shown = diagramOf(all).edges.flatMap(({ from, to, ports }) =>
    servicePorts
      .filter(({ service, name }) => componentOf(service) === to && ports.includes(name))
      .map(({ service, name }) => `${from} ${service} ${name}`),
  );
  const others = found.filter((each) => !shown.includes(each));
  expect(found).toEqual(expect.arrayContaining(shown));
  expect(others.filter((each) => !each.startsWith('smoke '))).toEqual(['consul consul-members server', 'consul consul-members serf']);
  expect(others).toContain('smoke consul dns');
  expect(found.filter((each) => each.startsWith('nobody '))).toEqual([]);
});

test('a probe pod is hardened like the Job, and no workload, budget or Service selects it', () => {
  const job = podOf(profile.smoke.find(({ kind }) => kind === 'Job') as Manifest);
  for (const pod of pods) {
    expect(pod.spec.containers[0].securityContext).toEqual(job?.containers[0]?.securityContext);
    expect(pod.spec).toMatchObject({
      securityContext: { runAsNonRoot: true },
      automountServiceAccountToken: false,
      restartPolicy: 'Never',
    });
    expect(pod.spec.volumes).toBeUndefined();
    const selectors = all
      .filter(({ kind }) => /^(Deployment|StatefulSet|PodDisruptionBudget|Service)$/.test(kind))
      .map(({ spec }) => Object.entries<string>(spec.selector.matchLabels ?? spec.selector));
    const selecting = selectors.filter((labels) => labels.every(([key, value]) => pod.metadata.labels?.[key] === value));
    expect(selecting).toEqual([]);
  }
});

test('policies select by the name alone, as those pods carry it', () => {
  const policies = [...all, ...profile.smoke].filter(({ kind }) => kind === 'NetworkPolicy');
  for (const { metadata, spec } of policies) {
    expect(Object.keys(spec.podSelector.matchLabels ?? {}).join(), metadata.name).toMatch(/^(app\.kubernetes\.io\/name)?$/);
  }
});

test.each(['dev', 'prod'])('the quota of %s has room for the Job and all pods, beside a rollout', (name) => {
  const profile = profileOf(name);
  const graph = graphOf(profile);
  const probePods = graph.callers.map((caller) => {
    const { metadata, spec } = podFor(caller, graph, profile.smoke, []);
    return { apiVersion: 'v1', kind: 'Job', metadata, spec: { template: { metadata, spec } } };
  });
  const platform = new Platform([...profile.objects, ...profile.smoke, ...probePods]);
  expect([...quota(platform)].map(({ wrong }) => wrong)).toEqual([]);
});

test('what up applies and waits for knows nothing of it', () => {
  expect(profile.objects.filter((object) => profile.smoke.includes(object))).toEqual([]);
  expect(profile.smoke.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['Job', 'ConfigMap', 'NetworkPolicy', 'ServiceAccount']));
});

test('all is well when edges work and nothing else does', () => {
  expect(
    states(
      judge(
        graph,
        answers((_, __, edge) => edge),
        same,
        1,
      ),
    ),
  ).toEqual([`ok: ${servicePorts.length} ports`, expect.stringMatching(/^ok: \d+ pairs$/), expect.stringMatching(/^ok: \d+ edges$/)]);
});

test('an open pair, a broken edge and a pod that says nothing are named', () => {
  const said = answers((from, { service }, edge) => (edge && service !== 'loki') || (from === 'grafana' && service === 'redis'));
  said.set('tempo', 'it ended without a word');
  const [nobody, closed, works] = states(judge(graph, said, same, 1));
  expect(nobody).toMatch(/^ok/);
  expect(closed).toMatch(
    /^failed: open: grafana → redis 6379, grafana → redis 9121; the pod smoke-from-tempo did not say: it ended without a word$/,
  );
  expect(works).toMatch(/^failed: no connection: .*grafana → loki 3100/);
});

test('where a pod reaches all without a policy, nobody can say that a refusal works, unless the policies are not those of the manifests', () => {
  const open = answers(() => true);
  const [nobody, closed, works] = judge(graph, open, same, 1);
  expect([nobody?.state, closed?.state, works?.state]).toEqual(['unanswerable', 'unanswerable', 'ok']);
  expect(nobody?.saw).toMatch(/^this cluster does not enforce NetworkPolicies/);
  expect(states(judge(graph, open, { missing: ['default-deny'], foreign: [] }, 1))[0]).toMatch(
    /^failed: not in the cluster: the NetworkPolicy default-deny; it reaches/,
  );
  expect(states(judge(graph, open, { missing: [], foreign: ['allow-all'] }, 1))[0]).toMatch(
    /not in the manifests: the NetworkPolicy allow-all$/,
  );
  // Reaching some is a hole, not a cluster without policies.
  expect(
    judge(
      graph,
      answers((_, { service }, edge) => edge || service === 'redis'),
      same,
      1,
    )[0]?.state,
  ).toBe('failed');
});

test('a port of a Service is where its name leads: the Service’s address, or those of its pods that are ready', () => {
  const service = (name: string, clusterIP: string) => ({ apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { clusterIP } });
  const slice = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'redis-x', labels: { 'kubernetes.io/service-name': 'redis' } },
    addressType: 'IPv4',
    ports: [{ name: 'redis', port: 6379 }],
    endpoints: [
      { addresses: ['10.0.0.1'], conditions: { ready: true } },
      { addresses: ['10.0.0.2'], conditions: { ready: false } },
    ],
  };
  const there = [service('redis', 'None'), service('tempo', '10.96.0.9'), slice];
  expect(addresses({ service: 'redis', name: 'redis', port: 6379 }, there)).toEqual([['10.0.0.1', 6379]]);
  expect(addresses({ service: 'tempo', name: 'tempo', port: 3200 }, there)).toEqual([['10.96.0.9', 3200]]);
  expect(addresses({ service: 'loki', name: 'loki', port: 3100 }, there)).toEqual([]);
});

test('a pod answers when it has ended', () => {
  const pod = (status: object): Manifest => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' }, status });
  const ended = (message: string) => [{ state: { terminated: { message, reason: 'Error' } } }];
  expect(probeResultOf(pod({ phase: 'Running' }))).toBeUndefined();
  expect(probeResultOf(pod({ phase: 'Succeeded', containerStatuses: ended('[0, 3]') }))).toEqual([0, 3]);
  expect(probeResultOf(pod({ phase: 'Failed', containerStatuses: ended('') }))).toBe('Error');
  expect(probeResultOf(pod({ phase: 'Failed', message: 'it took too long' }))).toBe('it took too long');
});

test('as many pods at a time as the quota has room for', () => {
  const job = profile.smoke.find(({ kind }) => kind === 'Job') as Manifest;
  const quota = (used: string): Manifest => ({
    apiVersion: 'v1',
    kind: 'ResourceQuota',
    metadata: { name: 'quota' },
    status: { hard: { 'requests.memory': '1Gi' }, used: { 'requests.memory': used } },
  });
  expect(room([], job)).toBe(Number.POSITIVE_INFINITY);
  expect(room([quota('800Mi')], job)).toBe(3);
  expect(room([quota('1Gi')], job)).toBe(0);
});

test('the Job’s lines are read, and what is no line of it is kept', () => {
  const check = { name: 'a', state: 'ok', seconds: 1, saw: '', standins: [] };
  expect(parsed(`${JSON.stringify(check)}\nTraceback\n{"name":"b"}\n[1]\n\n`)).toEqual({
    checks: [check],
    rest: ['Traceback', '{"name":"b"}', '[1]'],
  });
});

test('the Job is given up when it cannot end by itself any more: it has the time for everything that it waits for', () => {
  const job = profile.smoke.find(({ kind }) => kind === 'Job') as Manifest;
  const waits = podOf(job)?.containers[0]?.env?.find(({ name }) => name === 'WAITS')?.value ?? '';
  const seconds = Object.values<number>(JSON.parse(waits)).reduce((sum, each) => sum + each);
  expect(job.spec.activeDeadlineSeconds).toBeGreaterThan(seconds);
  expect(longest(job)).toBeGreaterThan(job.spec.activeDeadlineSeconds);
});

test('a line says what was seen, who stood in, and what shows more', () => {
  const check: CheckResult = { name: 'a', state: 'ok', seconds: 1.26, saw: 'x', standins: ['tempo'], more: 'kubectl get pods' };
  expect(line(check, 'here')).toBe('✔  a  1.3 s  x  (stand-in for tempo: proves the manifest, not the product)');
  expect(line({ ...check, state: 'failed', standins: [] }, 'here')).toBe('✖  a  1.3 s  x\n  → kubectl --context here get pods');
  expect(line({ ...check, state: 'unanswerable', standins: [] }, 'here')).toBe('?  a  1.3 s  unanswerable: x');
  expect(summary([check, { ...check, state: 'failed' }], 48.6)).toBe('1 checks passed, 1 failed, 0 cannot be answered here, after 49 s');
});

test('disks are bound and large enough, and every key that is read is there', () => {
  const claim = (name: string, phase: string, storage: string) => ({
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name },
    status: { phase, capacity: { storage } },
  });
  const there = [claim('data-redis-0', 'Bound', '512Mi'), claim('grafana', 'Pending', '0'), claim('tempo', 'Bound', '8Gi')];
  const { wrong } = disks(all, there);
  expect(wrong).toContain('data-redis-0 has 512Mi, not 1Gi');
  expect(wrong).toContain('grafana is Pending');
  expect(wrong).toContain('data-loki-0 is not there');
  expect(wrong.filter((each) => each.startsWith('tempo'))).toEqual([]);
  expect(
    lackingKeys(['redis/password', 'consul/app-token', 'grafana/secret-key'], 'redis password\nconsul gossip-key app-token\n'),
  ).toEqual(['grafana/secret-key']);
});
