import assert from 'node:assert/strict';
import { promises as dns } from 'node:dns';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type { Manifest } from '../lib/render.ts';
import { type Check, containersOf, replaceIn, type Service } from './check.ts';
import type { Pod } from './pod.ts';
import { commandLines, eventually } from './program.ts';
import type { Sandbox } from './sandbox.ts';

/** How many servers the profile has. */
const size = (manifests: readonly Manifest[]): number =>
  manifests.find(({ kind, metadata }) => kind === 'StatefulSet' && metadata.name === 'consul')?.spec.replicas;
const hasMajority = (manifests: readonly Manifest[]) => size(manifests) > 1;

/** Every server of the profile, ready. */
async function up(sandbox: Sandbox) {
  const pods = Array.from({ length: size(sandbox.manifests) }, (_, ordinal) => sandbox.pod('StatefulSet', 'consul', ordinal));
  const [first] = pods;
  assert.ok(first, 'the profile has no server');
  const members = pods.map((pod) => ({ pod, server: pod.start() }));
  await Promise.all(pods.map((pod) => pod.until('readiness', 60)));
  return { first, pods, members };
}

/** The Job's own container, to its end. */
async function job(pod: Pod): Promise<string> {
  const run = pod.start();
  assert.equal(await run.ended, 0, `the Job failed: ${run.output}`);
  return run.output;
}

/** As above, and the Job has brought in policies and tokens. */
async function keyed(sandbox: Sandbox) {
  const cluster = await up(sandbox);
  await job(sandbox.pod('Job', 'consul-acl'));
  return cluster;
}

/** One request to a server: its status, and what it said. */
async function ask(pod: Pod, token: string | undefined, method: string, path: string, body?: string) {
  const headers = new Headers(token === undefined ? {} : { 'X-Consul-Token': token });
  const request = { method, headers, signal: AbortSignal.timeout(20_000), ...(body !== undefined && { body }) };
  const answer = await fetch(`${pod.url('consul')}${path}`, request);
  return { status: answer.status, text: await answer.text() };
}

/** Requests with one of the Secret's tokens: the status is 200, or it throws. */
function allowed(sandbox: Sandbox, key: string) {
  return async (pod: Pod, method: string, path: string, body?: string) => {
    const { status, text } = await ask(pod, sandbox.secret('consul', key), method, path, body);
    assert.equal(status, 200, `${method} ${path} with the ${key} answered ${status}: ${text}`);
    return text;
  };
}

/** How many servers take part, as this one has it. */
const peers = async (pod: Pod): Promise<number> => JSON.parse((await ask(pod, undefined, 'GET', '/v1/status/peers')).text).length;
const leader = async (pod: Pod): Promise<string> => JSON.parse((await ask(pod, undefined, 'GET', '/v1/status/leader')).text);

/** Where DNS says that the service is, as `HOST:PORT`; nothing when it does not know the name. */
async function where(pod: Pod, service: string): Promise<readonly string[]> {
  const resolver = new dns.Resolver();
  resolver.setServers([`${pod.address}:8600`]);
  const unknown = ({ code }: NodeJS.ErrnoException) => {
    assert.equal(code, 'ENOTFOUND');
    return [];
  };
  return (await resolver.resolveSrv(`${service}.service.consul`).catch(unknown)).map(({ name, port }) => `${name}:${port}`);
}

/** How many answers DNS has for the service over TCP, which Node's resolver only takes for long ones. */
async function answersByTcp(pod: Pod, service: string): Promise<number> {
  const labels = [service, 'service', 'consul'].map((label) => String.fromCharCode(label.length) + label);
  // A number of its own, "recursion desired", one question: records of type SRV.
  const question = Buffer.from(`\0\x07\x01\0\0\x01\0\0\0\0\0\0${labels.join('')}\0\0\x21\0\x01`, 'latin1');
  const socket = connect(8600, pod.address);
  socket.write(Buffer.from([0, question.length, ...question]));
  const [answer] = await once(socket, 'data', { signal: AbortSignal.timeout(5000) });
  socket.destroy();
  return answer.readUInt16BE(8);
}

const KEPT = '/v1/kv/app/kept';
const AUTOPILOT = '/v1/operator/autopilot/configuration';

/** The names of Consul's metrics that the rules and the dashboards read. */
function metricsRead(manifests: readonly Manifest[]): readonly string[] {
  const read = manifests.filter(({ kind, metadata }) => kind === 'ConfigMap' && /^(prometheus|grafana)/.test(metadata.name));
  const files = read.flatMap(({ data }) => Object.values<string>(data));
  const found = new Set(files.join('\n').match(/\bconsul_\w+/g));
  assert.ok(found.size > 0, 'no rule and no dashboard reads a metric of Consul');
  return [...found];
}

const checks: readonly Check[] = [
  {
    name: 'finds nothing wrong with its configuration',
    async run(sandbox) {
      const { status, output } = await sandbox.pod('StatefulSet', 'consul').exec(['consul', 'validate', '/etc/consul/consul.json']);
      assert.equal(status, 0, output.replace(/\s+/g, ' '));
    },
    broken: {
      by: (all) => replaceIn(all, 'consul', 'consul.json', '"bootstrap_expect"', '"bootstrap_expected"'),
      says: /bootstrap_expected/,
    },
  },
  {
    name: 'its servers find one another and elect a leader; every probe is answered',
    async run(sandbox) {
      const { pods, first } = await up(sandbox);
      for (const pod of pods) {
        await pod.until('liveness', 5);
        assert.equal(await leader(pod), await leader(first), 'they have more than one leader');
      }
      await eventually(async () => (await peers(first)) === pods.length, 20, `${pods.length} servers take part`);
    },
    broken: {
      by: (all) => replaceIn(all, 'consul', 'consul.json', /"bootstrap_expect": \d/, '"bootstrap_expect": 5'),
      says: /readiness probe/,
    },
    within: 120,
  },
  {
    name: 'refuses who brings no token; each token opens its own door only',
    async run(sandbox) {
      const { first } = await keyed(sandbox);
      const [app, metrics] = [sandbox.secret('consul', 'app-token'), sandbox.secret('consul', 'metrics-token')];
      const unknown = sandbox.anotherSecret('consul', 'app-token');
      const status = async (token: string | undefined, method: string, path: string) =>
        (await ask(first, token, method, path, method === 'PUT' ? '1' : undefined)).status;
      const figures = '/v1/agent/metrics?format=prometheus';
      assert.equal(await status(undefined, 'GET', '/v1/kv/app/x'), 403, 'a key is read without a token');
      assert.equal(await status(unknown, 'GET', '/v1/kv/app/x'), 403, 'a key is read with a token that it does not know');
      assert.equal(await status(undefined, 'GET', figures), 403, 'metrics are read without a token');
      assert.equal(await status(app, 'PUT', '/v1/kv/app/x'), 200, 'the app cannot write its own key');
      assert.equal(await status(app, 'GET', '/v1/kv/app/x'), 200, 'the app cannot read its own key');
      assert.equal(await status(app, 'PUT', '/v1/kv/other/x'), 403, "the app writes a key that is not the app's");
      assert.equal(await status(app, 'GET', '/v1/snapshot'), 403, 'the app takes a snapshot');
      assert.equal(await status(metrics, 'GET', figures), 200, 'Prometheus cannot read metrics');
      assert.equal(await status(metrics, 'GET', '/v1/kv/app/x'), 403, 'Prometheus reads a key');
    },
    broken: {
      by: (all) => replaceIn(all, 'consul', 'consul.json', '"default_policy": "deny"', '"default_policy": "allow"'),
      says: /without a token/,
    },
    within: 120,
  },
  {
    name: 'DNS answers once the Job has run, over UDP and TCP, with services that work only',
    async run(sandbox) {
      const { pods, first } = await up(sandbox);
      const host = `redis.${sandbox.object('Service', 'redis').metadata.namespace}.svc.cluster.local`;
      createServer().listen(6379, sandbox.address('redis'));
      assert.deepEqual(await where(first, 'redis'), [], 'DNS answers before anyone may ask');
      await job(sandbox.pod('Job', 'consul-acl'));
      // A check is asked every 15 s; a server that was refused tries again within a minute.
      await eventually(async () => (await where(first, 'redis')).length === pods.length, 90, 'DNS answers for redis, once for each server');
      for (const pod of pods) {
        assert.deepEqual(new Set(await where(pod, 'redis')), new Set([`${host}:6379`]));
        // Each server answers from what it has: the others' news may be a moment away.
        await eventually(async () => (await answersByTcp(pod, 'redis')) === pods.length, 30, 'over TCP it answers the same');
        assert.deepEqual(await where(pod, 'loki'), [], 'DNS names a service that is not there');
      }
    },
    broken: {
      by: (all) => replaceIn(all, 'consul-acl', 'anonymous.json', 'service_prefix', 'query_prefix'),
      says: /DNS answers for redis/,
    },
    within: 180,
  },
  {
    name: 'a snapshot brings back a key and a token that were deleted',
    async run(sandbox) {
      const { first } = await keyed(sandbox);
      const [manage, app] = [allowed(sandbox, 'management-token'), allowed(sandbox, 'app-token')];
      const snapshot = async (verb: string) => {
        const env = { CONSUL_HTTP_TOKEN: sandbox.secret('consul', 'management-token') };
        const { status, output } = await first.exec(['consul', 'snapshot', verb, '/tmp/backup.snap'], { env });
        assert.equal(status, 0, `snapshot ${verb}: ${output}`);
      };
      await app(first, 'PUT', KEPT, 'yes');
      const { AccessorID } = JSON.parse(await app(first, 'GET', '/v1/acl/token/self'));
      await snapshot('save');
      await manage(first, 'DELETE', KEPT);
      await manage(first, 'DELETE', `/v1/acl/token/${AccessorID}`);
      const { status } = await ask(first, sandbox.secret('consul', 'app-token'), 'GET', `${KEPT}?raw`);
      assert.equal(status, 403, 'the token is not gone');
      await snapshot('restore');
      assert.equal(await app(first, 'GET', `${KEPT}?raw`), 'yes');
    },
    broken: {
      by: (all) => {
        const [container] = containersOf(all, 'consul');
        container.volumeMounts = container.volumeMounts.filter(({ mountPath }: { mountPath: string }) => mountPath !== '/tmp');
      },
      says: /snapshot save: .*read-only file system/,
    },
    within: 120,
  },
  {
    name: 'SIGTERM makes a server leave and end with 0 within the grace period; it comes back with its data',
    async run(sandbox) {
      const { first, pods, members } = await keyed(sandbox);
      const grace: number = sandbox.object('StatefulSet', 'consul').spec.template.spec.terminationGracePeriodSeconds;
      const last = members.at(-1);
      assert.ok(last);
      await allowed(sandbox, 'app-token')(first, 'PUT', KEPT, 'yes');
      assert.equal(await last.server.stop(grace), 0, 'it did not end well');
      if (last.pod !== first) await eventually(async () => (await peers(first)) === pods.length - 1, 45, 'the others go on without it');
      last.pod.start();
      await last.pod.until('readiness', 60);
      await eventually(async () => (await peers(first)) === pods.length, 60, 'it takes part again');
      assert.equal(await allowed(sandbox, 'app-token')(last.pod, 'GET', `${KEPT}?raw&stale`), 'yes');
    },
    broken: {
      by: (all) => replaceIn(all, 'consul', 'consul.json', '"leave_on_terminate": true', '"leave_on_terminate": false'),
      says: /did not end well/,
    },
    within: 150,
  },
  {
    name: 'a server that was off for eight days takes part again',
    async run(sandbox) {
      const { first, pods, members } = await up(sandbox);
      const last = members.at(-1);
      assert.ok(last);
      await last.server.kill();
      const eightDaysAgo = Math.floor(Date.now() / 1000) - 8 * 86_400;
      writeFileSync(last.pod.file('/consul/data/server_metadata.json'), JSON.stringify({ last_seen_unix: eightDaysAgo }));
      last.pod.start();
      await last.pod.until('readiness', 60);
      await eventually(async () => (await peers(first)) === pods.length, 60, 'it takes part again');
    },
    broken: {
      by: (all) => replaceIn(all, 'consul', 'consul.json', /"server_rejoin_age_max": "\w+",/, ''),
      says: /readiness probe/,
    },
    within: 150,
  },
  {
    name: 'a server that left and comes back is not ready before it votes',
    when: hasMajority,
    async run(sandbox) {
      const { first, pods, members } = await keyed(sandbox);
      const last = members.at(-1);
      assert.ok(last);
      assert.equal(await last.server.stop(30), 0, 'it did not end well');
      await eventually(async () => (await peers(first)) === pods.length - 1, 45, 'the others go on without it');
      last.pod.start();
      await last.pod.ready(120);
      const { Servers } = JSON.parse(await allowed(sandbox, 'management-token')(first, 'GET', '/v1/operator/raft/configuration'));
      const votes = Servers.filter(({ Voter }: { Voter: boolean }) => Voter).map(({ Address }: { Address: string }) => Address);
      assert.ok(votes.includes(`${last.pod.address}:8300`), `it is ready, and only ${votes.length} of ${pods.length} servers vote`);
    },
    broken: {
      by: (all) => {
        containersOf(all, 'consul')[0].readinessProbe.successThreshold = 1;
      },
      says: /it is ready, and only 2 of 3 servers vote/,
    },
    within: 240,
  },
  {
    name: 'has every metric that the rules and the dashboards read, also when nothing has changed for three minutes',
    async run(sandbox) {
      const { pods } = await keyed(sandbox);
      await pause(180_000);
      const pages = await Promise.all(
        pods.map((pod) => allowed(sandbox, 'metrics-token')(pod, 'GET', '/v1/agent/metrics?format=prometheus')),
      );
      for (const name of metricsRead(sandbox.manifests)) {
        assert.ok(
          pages.some((page) => new RegExp(`^${name}[ {]`, 'm').test(page)),
          `${name} is read, and no server has it`,
        );
      }
    },
    broken: {
      by: (all) => replaceIn(all, 'prometheus', 'rules.yaml', 'consul_autopilot_healthy', 'consul_raft_peers'),
      says: /consul_raft_peers is read, and no server has it/,
    },
    within: 300,
  },
  {
    name: 'SIGKILL of the leader: the others elect one and take writes; it comes back and has them',
    when: hasMajority,
    async run(sandbox) {
      const { first, members } = await keyed(sandbox);
      const address = await leader(first);
      const lost = members.find(({ pod }) => address.startsWith(`${pod.address}:`));
      const other = members.find((member) => member !== lost);
      assert.ok(lost && other, `${address} is no server's`);
      await lost.server.kill();
      await eventually(async () => !['', address].includes(await leader(other.pod)), 20, 'the others have a leader');
      await other.pod.until('readiness', 5);
      await allowed(sandbox, 'app-token')(other.pod, 'PUT', KEPT, 'yes');
      lost.pod.start();
      await lost.pod.until('readiness', 60);
      const read = async () => (await ask(lost.pod, sandbox.secret('consul', 'app-token'), 'GET', `${KEPT}?raw&stale`)).text === 'yes';
      await eventually(read, 20, 'it has what was written while it was away');
    },
    broken: {
      by: (all) => {
        const servers = all.find(({ kind, metadata }) => kind === 'StatefulSet' && metadata.name === 'consul');
        Object.assign(servers?.spec, { replicas: 2 });
        replaceIn(all, 'consul', 'consul.json', '"bootstrap_expect": 3', '"bootstrap_expect": 2');
      },
      says: /the others have a leader/,
    },
    within: 150,
  },
  {
    name: 'without a majority a server is alive and not ready',
    when: hasMajority,
    async run(sandbox) {
      const { members } = await up(sandbox);
      const [left, ...rest] = members;
      assert.ok(left);
      await Promise.all(rest.map(({ server }) => server.kill()));
      await eventually(async () => (await leader(left.pod)) === '', 20, 'it has no leader');
      assert.equal(await left.pod.probe('readiness'), false, 'ready without a leader');
      assert.equal(await left.pod.probe('liveness'), true, 'not alive without a leader');
      for (const { pod } of rest) pod.start();
      await Promise.all(members.map(({ pod }) => pod.until('readiness', 60)));
    },
    broken: {
      by: (all) => {
        containersOf(all, 'consul')[0].readinessProbe = { httpGet: { path: '/v1/status/leader', port: 'consul' } };
      },
      says: /ready without a leader/,
    },
    within: 150,
  },
  {
    name: "the Job sets Autopilot to the profile's number of servers, whatever it was before",
    async run(sandbox) {
      const { first, pods } = await up(sandbox);
      const manage = allowed(sandbox, 'management-token');
      await manage(first, 'PUT', AUTOPILOT, '{"CleanupDeadServers":false,"MinQuorum":7}');
      await job(sandbox.pod('Job', 'consul-acl'));
      const { CleanupDeadServers, MinQuorum } = JSON.parse(await manage(first, 'GET', AUTOPILOT));
      assert.equal(MinQuorum, Math.floor(pods.length / 2) + 1, `of ${pods.length} servers, Autopilot keeps at least ${MinQuorum}`);
      assert.equal(CleanupDeadServers, true, 'Autopilot removes no dead server');
    },
    broken: {
      by: (all) => replaceIn(all, 'consul-acl', 'acl.sh', `must PUT ${AUTOPILOT}`, `must GET ${AUTOPILOT}`),
      says: /Autopilot keeps at least 7/,
    },
    within: 120,
  },
  {
    name: 'the Job changes nothing when it runs again; no list of processes shows a secret, and files of some are for their user alone',
    async run(sandbox) {
      const { first } = await up(sandbox);
      const acl = sandbox.pod('Job', 'consul-acl');
      assert.match(await job(acl), /token app: created/);
      assert.doesNotMatch(await job(acl), /created|changed|replaced/);
      assert.match(commandLines(), /consul agent/, 'no server is in the list');
      assert.equal((await first.exec(['stat', '-c', '%a', '/run/platform/secrets.hcl'])).output.trim(), '600');
    },
    broken: {
      by: (all) => replaceIn(all, 'consul', 'start.sh', 'consul agent', 'consul agent -encrypt="$(secret gossip-key)"'),
      says: /the process list shows the secret consul\/gossip-key/,
    },
    within: 120,
  },
];

/** The servers as the profile has them, with addresses and ports of their own, and the Job that brings in the tokens. */
export const consul: Service = { name: 'consul', programs: ['consul', 'curl'], checks };
