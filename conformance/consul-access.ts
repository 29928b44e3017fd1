import assert from 'node:assert/strict';
import { promises as dns } from 'node:dns';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { Check } from './check.ts';
import { client, KEY, request, startServers, startWithTokens } from './consul-cluster.ts';
import { editFile, removeMount } from './manifests.ts';
import type { Pod } from './pod.ts';
import { eventually, processList } from './process.ts';

const AUTOPILOT = '/v1/operator/autopilot/configuration';

/** The SRV records of a service over UDP, as `HOST:PORT`; none when the name does not exist. */
async function resolve(pod: Pod, service: string): Promise<readonly string[]> {
  const resolver = new dns.Resolver();
  resolver.setServers([`${pod.address}:${pod.portNumber('dns-udp')}`]);
  const records = await resolver.resolveSrv(`${service}.service.consul`).catch(({ code }: NodeJS.ErrnoException) => {
    assert.equal(code, 'ENOTFOUND');
    return [];
  });
  return records.map(({ name, port }) => `${name}:${port}`);
}

/** The number of SRV records over TCP, which Node's resolver uses only for truncated answers. */
async function countByTcp(pod: Pod, service: string): Promise<number> {
  const labels = [service, 'service', 'consul'].map((label) => String.fromCharCode(label.length) + label);
  // The id, "recursion desired", one question of type SRV.
  const question = Buffer.from(`\0\x07\x01\0\0\x01\0\0\0\0\0\0${labels.join('')}\0\0\x21\0\x01`, 'latin1');
  const socket = connect(pod.portNumber('dns'), pod.address);
  socket.write(Buffer.from([0, question.length, ...question]));
  const [answer] = await once(socket, 'data', { signal: AbortSignal.timeout(5000) });
  socket.destroy();
  return answer.readUInt16BE(8);
}

/** What the tokens of Consul permit, and what its DNS answers. */
export const accessChecks: readonly Check[] = [
  {
    name: 'Consul rejects requests without a valid token, and each token permits only its own requests',
    async run(sandbox) {
      const { first } = await startWithTokens(sandbox);
      const [app, metrics] = [sandbox.secrets.get('consul', 'app-token'), sandbox.secrets.get('consul', 'metrics-token')];
      const unknown = sandbox.secrets.another('consul', 'app-token');
      const status = async (token: string | undefined, method: string, path: string) =>
        (await request(first, token, method, path, method === 'PUT' ? '1' : undefined)).status;
      const page = '/v1/agent/metrics?format=prometheus';
      assert.equal(await status(undefined, 'GET', '/v1/kv/app/x'), 403, 'a key is readable without a token');
      assert.equal(await status(unknown, 'GET', '/v1/kv/app/x'), 403, 'a key is readable with an unknown token');
      assert.equal(await status(undefined, 'GET', page), 403, 'metrics are readable without a token');
      assert.equal(await status(app, 'PUT', '/v1/kv/app/x'), 200, 'the app cannot write its own key');
      assert.equal(await status(app, 'GET', '/v1/kv/app/x'), 200, 'the app cannot read its own key');
      assert.equal(await status(app, 'PUT', '/v1/kv/other/x'), 403, "the app can write a key that is not the app's");
      assert.equal(await status(app, 'GET', '/v1/snapshot'), 403, 'the app can take a snapshot');
      assert.equal(await status(metrics, 'GET', page), 200, 'Prometheus cannot read metrics');
      assert.equal(await status(metrics, 'GET', '/v1/kv/app/x'), 403, 'Prometheus can read a key');
    },
    broken: { edit: editFile('consul', 'consul.json', '"default_policy": "deny"', '"default_policy": "allow"'), error: /without a token/ },
  },
  {
    name: 'Consul DNS resolves only healthy services, over UDP and TCP, once the ACL Job has created the tokens',
    async run(sandbox) {
      const { pods, first } = await startServers(sandbox);
      const { host, port } = sandbox.listenFor('redis', 'redis');
      createServer().listen(port, host);
      const target = `redis.${sandbox.namespace}.svc.cluster.local:${port}`;
      assert.deepEqual(await resolve(first, 'redis'), [], 'DNS answers before the tokens exist');
      await sandbox.pod('consul-acl').complete();
      // Health checks run every 15 s; a server whose registration was denied retries within a minute.
      await eventually(async () => (await resolve(first, 'redis')).length === pods.length, 90, 'DNS has redis once per server');
      for (const pod of pods) {
        assert.deepEqual(new Set(await resolve(pod, 'redis')), new Set([target]));
        // Each server answers from its own copy of the catalog.
        await eventually(async () => (await countByTcp(pod, 'redis')) === pods.length, 30, 'DNS over TCP gives the same answer');
        assert.deepEqual(await resolve(pod, 'loki'), [], 'DNS has a service that does not run');
      }
    },
    broken: { edit: editFile('consul-acl', 'anonymous.json', 'service_prefix', 'query_prefix'), error: /DNS has redis/ },
  },
  {
    name: 'A Consul snapshot restores a deleted key and a deleted token',
    async run(sandbox) {
      const { first } = await startWithTokens(sandbox);
      const [manage, app] = [client(sandbox, 'management-token'), client(sandbox, 'app-token')];
      const env = {
        CONSUL_HTTP_ADDR: `127.0.0.1:${first.portNumber('consul')}`,
        CONSUL_HTTP_TOKEN: sandbox.secrets.get('consul', 'management-token'),
      };
      const snapshot = (verb: string) => first.run(['consul', 'snapshot', verb, '/tmp/backup.snap'], { env });
      await app(first, 'PUT', KEY, 'yes');
      const { AccessorID } = JSON.parse(await app(first, 'GET', '/v1/acl/token/self'));
      await snapshot('save');
      await manage(first, 'DELETE', KEY);
      await manage(first, 'DELETE', `/v1/acl/token/${AccessorID}`);
      const { status } = await request(first, sandbox.secrets.get('consul', 'app-token'), 'GET', `${KEY}?raw`);
      assert.equal(status, 403, 'the token still exists');
      await snapshot('restore');
      assert.equal(await app(first, 'GET', `${KEY}?raw`), 'yes');
    },
    broken: { edit: removeMount('consul', '/tmp'), error: /read-only file system/ },
  },
  {
    name: 'The Consul ACL Job sets the Autopilot quorum to a majority of the servers, whatever it was before',
    async run(sandbox) {
      const { first, pods } = await startServers(sandbox);
      const manage = client(sandbox, 'management-token');
      await manage(first, 'PUT', AUTOPILOT, '{"CleanupDeadServers":false,"MinQuorum":7}');
      await sandbox.pod('consul-acl').complete();
      const { CleanupDeadServers, MinQuorum } = JSON.parse(await manage(first, 'GET', AUTOPILOT));
      assert.equal(MinQuorum, Math.floor(pods.length / 2) + 1, `MinQuorum is ${MinQuorum} for ${pods.length} servers`);
      assert.equal(CleanupDeadServers, true, 'Autopilot removes no dead server');
    },
    broken: { edit: editFile('consul-acl', 'acl.sh', `must PUT ${AUTOPILOT}`, `must GET ${AUTOPILOT}`), error: /MinQuorum is 7/ },
  },
  {
    name: 'The Consul ACL Job changes nothing on its second run; no process shows a secret, and only its user can read a file of secrets',
    async run(sandbox) {
      const { first } = await startServers(sandbox);
      const acl = sandbox.pod('consul-acl');
      assert.match(await acl.complete(), /token app: created/);
      assert.doesNotMatch(await acl.complete(), /created|changed|replaced/);
      assert.match(processList(), /consul agent/, 'the process list lacks the servers');
      assert.equal((await first.exec(['stat', '-c', '%a', '/run/platform/secrets.hcl'])).output.trim(), '600');
    },
    broken: {
      edit: editFile('consul', 'start.sh', 'consul agent', 'consul agent -encrypt="$(secret gossip-key)"'),
      error: /the process list shows the secret consul\/gossip-key/,
    },
  },
];
