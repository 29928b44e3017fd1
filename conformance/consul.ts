import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { Check, Suite } from './check.ts';
import { accessChecks } from './consul-access.ts';
import { client, KEY, leader, peers, request, startServers, startWithTokens, toleratesLoss } from './consul-cluster.ts';
import { editFile, editProbe, edits, find } from './manifests.ts';
import { assertServed, metricsUsed } from './metrics.ts';
import { eventually } from './process.ts';

const editConfig = (from: string | RegExp, to: string) => editFile('consul', 'consul.json', from, to);

const clusterChecks: readonly Check[] = [
  {
    name: 'Consul accepts its configuration',
    async run(sandbox) {
      await sandbox.pod('consul').run(['consul', 'validate', '/etc/consul/consul.json']);
    },
    broken: { edit: editConfig('"bootstrap_expect"', '"bootstrap_expected"'), error: /bootstrap_expected/ },
  },
  {
    name: 'The Consul servers form one cluster with a leader, and every probe succeeds',
    async run(sandbox) {
      const { pods, first } = await startServers(sandbox);
      for (const pod of pods) {
        await pod.waitFor('liveness', 5);
        assert.equal(await leader(pod), await leader(first), 'there is more than one leader');
      }
      await eventually(async () => (await peers(first)) === pods.length, 20, `${pods.length} servers join`);
    },
    broken: { edit: editConfig(/"bootstrap_expect": \d/, '"bootstrap_expect": 5'), error: /readiness probe/ },
  },
  {
    name: 'A Consul server leaves on SIGTERM, exits with 0 within the grace period, and rejoins with its data',
    async run(sandbox) {
      const { first, last, pods } = await startWithTokens(sandbox);
      await client(sandbox, 'app-token')(first, 'PUT', KEY, 'yes');
      assert.equal(await last.pod.stop(last.server), 0, 'it did not exit with 0');
      if (last.pod !== first) await eventually(async () => (await peers(first)) === pods.length - 1, 45, 'the server has left');
      await last.pod.startUntil('readiness', 60);
      await eventually(async () => (await peers(first)) === pods.length, 60, 'the server rejoins');
      assert.equal(await client(sandbox, 'app-token')(last.pod, 'GET', `${KEY}?raw&stale`), 'yes');
    },
    broken: { edit: editConfig('"leave_on_terminate": true', '"leave_on_terminate": false'), error: /did not exit with 0/ },
  },
  {
    name: 'A Consul server rejoins after eight days off',
    async run(sandbox) {
      const { first, last, pods } = await startServers(sandbox);
      await last.server.kill();
      const eightDaysAgo = Math.floor(Date.now() / 1000) - 8 * 86_400;
      writeFileSync(last.pod.file('/consul/data/server_metadata.json'), JSON.stringify({ last_seen_unix: eightDaysAgo }));
      await last.pod.startUntil('readiness', 60);
      await eventually(async () => (await peers(first)) === pods.length, 60, 'the server rejoins');
    },
    broken: { edit: editConfig(/"server_rejoin_age_max": "\w+",/, ''), error: /readiness probe/ },
  },
  {
    name: 'A Consul server that rejoins is ready only when it votes',
    when: toleratesLoss,
    async run(sandbox) {
      const { first, last, pods } = await startWithTokens(sandbox);
      assert.equal(await last.server.stop(30), 0, 'it did not exit with 0');
      await eventually(async () => (await peers(first)) === pods.length - 1, 45, 'the server has left');
      last.pod.start();
      await last.pod.waitUntilReady(120);
      const { Servers } = JSON.parse(await client(sandbox, 'management-token')(first, 'GET', '/v1/operator/raft/configuration'));
      const votes = Servers.filter(({ Voter }: { Voter: boolean }) => Voter).map(({ Address }: { Address: string }) => Address);
      const address = `${last.pod.address}:${last.pod.portNumber('server')}`;
      assert.ok(votes.includes(address), `it is ready, and only ${votes.length} of ${pods.length} servers vote`);
    },
    broken: { edit: editProbe('consul', 'readiness', { successThreshold: 1 }), error: /it is ready, and only \d of \d servers vote/ },
    timeoutSeconds: 240,
  },
  {
    name: 'Consul serves every metric that the rules and dashboards use, even after three idle minutes',
    async run(sandbox) {
      const { pods } = await startWithTokens(sandbox);
      await pause(180_000);
      const page = (pod: (typeof pods)[number]) => client(sandbox, 'metrics-token')(pod, 'GET', '/v1/agent/metrics?format=prometheus');
      const pages = await Promise.all(pods.map(page));
      assertServed(metricsUsed(sandbox.manifests, 'consul', { dashboards: true }), pages.join('\n'));
    },
    broken: {
      edit: editFile('prometheus', 'rules.yaml', 'consul_autopilot_healthy', 'consul_raft_peers'),
      error: /metrics are missing: consul_raft_peers/,
    },
    timeoutSeconds: 300,
  },
  {
    name: 'After SIGKILL of the Consul leader, the other servers elect a new one and accept writes, which the lost server has after it rejoins',
    when: toleratesLoss,
    async run(sandbox) {
      const { first, members } = await startWithTokens(sandbox);
      const address = await leader(first);
      const lost = members.find(({ pod }) => address.startsWith(`${pod.address}:`));
      const other = members.find((member) => member !== lost);
      assert.ok(lost && other, `no server has the leader's address ${address}`);
      await lost.server.kill();
      await eventually(async () => !['', address].includes(await leader(other.pod)), 20, 'the others elect a leader');
      await other.pod.waitFor('readiness', 5);
      await client(sandbox, 'app-token')(other.pod, 'PUT', KEY, 'yes');
      await lost.pod.startUntil('readiness', 60);
      const token = sandbox.secrets.get('consul', 'app-token');
      const read = async () => (await request(lost.pod, token, 'GET', `${KEY}?raw&stale`)).text === 'yes';
      await eventually(read, 20, 'the lost server has the write');
    },
    broken: {
      edit: edits(
        (manifests) => Object.assign(find(manifests, 'StatefulSet', 'consul').spec, { replicas: 2 }),
        editConfig(/"bootstrap_expect": \d/, '"bootstrap_expect": 2'),
      ),
      error: /the others elect a leader/,
    },
  },
  {
    name: 'A Consul server without a majority is alive but not ready',
    when: toleratesLoss,
    async run(sandbox) {
      const { first, members } = await startServers(sandbox);
      const others = members.filter(({ pod }) => pod !== first);
      await Promise.all(others.map(({ server }) => server.kill()));
      await eventually(async () => (await leader(first)) === '', 20, 'the leader is lost');
      assert.equal(await first.probe('readiness'), false, 'ready without a leader');
      assert.equal(await first.probe('liveness'), true, 'not alive without a leader');
      for (const { pod } of others) pod.start();
      await Promise.all(members.map(({ pod }) => pod.waitFor('readiness', 60)));
    },
    broken: {
      edit: editProbe('consul', 'readiness', { httpGet: { path: '/v1/status/leader', port: 'consul' } }),
      error: /ready without a leader/,
    },
  },
];

export const consul: Suite = { name: 'consul', programs: ['consul', 'curl'], checks: [...clusterChecks, ...accessChecks] };
