import assert from 'node:assert/strict';
import { appendFileSync, writeFileSync } from 'node:fs';
import type { Check, Suite } from './check.ts';
import { editContainer, editFile, execProbe, type Manifests, removeEnv, servicePort, withoutSignals } from './manifests.ts';
import { assertServed, metricsUsed } from './metrics.ts';
import type { Pod } from './pod.ts';
import { eventually, processList } from './process.ts';
import type { Sandbox } from './sandbox.ts';

/** The copy of the password with which the server was started. */
const PASSWORD = '/run/platform/password';
const FULL = 32;

/** A ready Redis: the broker, or the cache. */
async function startRedis(sandbox: Sandbox, name = 'redis') {
  const pod = sandbox.pod(name);
  const server = await pod.startUntil('readiness', 20, 'redis');
  return { pod, server, cli: cliOf(pod, sandbox, name) };
}

/** The `redis-cli` command and the environment with which it reaches a Redis from its own pod. */
export function redisCli({ manifests, secrets }: Sandbox, name = 'redis') {
  const command = ['redis-cli', '-p', `${servicePort(manifests, name, 'redis')}`];
  return { command, env: { REDISCLI_AUTH: secrets.get(name, 'password') } };
}

/** Runs one command with `redis-cli`. */
function cliOf(pod: Pod, sandbox: Sandbox, name = 'redis', password = sandbox.secrets.get(name, 'password')) {
  const { command } = redisCli(sandbox, name);
  const env = { REDISCLI_AUTH: password };
  return async (...args: readonly string[]) => {
    const { output } = await pod.exec([...command, '-e', ...args], { env });
    return output.trim();
  };
}

/** Limits a Redis to 32 MiB and writes 64 keys of 1 MiB until a write fails. */
async function fill(sandbox: Sandbox, name: string) {
  const { pod, cli } = await startRedis(sandbox, name);
  await cli('CONFIG', 'SET', 'maxmemory', `${FULL}mb`);
  const commands = Array.from({ length: 2 * FULL }, (_, index) => `SET filler:${index} ${'x'.repeat(1 << 20)}\n`).join('');
  const { command, env } = redisCli(sandbox, name);
  const replies = (await pod.exec(command, { env, stdin: commands, seconds: 60 })).output.split('\n').filter((line) => line.trim());
  return { pod, cli, stored: replies.filter((line) => line === 'OK').length, last: replies.at(-1) ?? '' };
}

const editConfig = (from: string, to: string) => editFile('redis', 'redis.conf', from, to);

const checks: readonly Check[] = [
  {
    name: 'Redis starts with the generated configuration, and every probe succeeds',
    async run(sandbox) {
      const { pod, cli } = await startRedis(sandbox);
      await pod.waitFor('liveness', 5, 'redis');
      assert.equal(await cli('CONFIG', 'GET', 'maxmemory-policy'), 'maxmemory-policy\nnoeviction');
    },
    broken: { edit: editConfig('appendonly yes', 'appendonly perhaps'), error: /readiness probe/ },
  },
  {
    name: 'Redis rejects clients without a password or with a wrong one',
    async run(sandbox) {
      const { pod, cli } = await startRedis(sandbox);
      assert.match(await cliOf(pod, sandbox, 'redis', '')('PING'), /^(AUTH failed: .*\n)?NOAUTH/);
      assert.match(await cliOf(pod, sandbox, 'redis', 'wrong')('PING'), /WRONGPASS|NOAUTH/);
      assert.equal(await cli('PING'), 'PONG');
    },
    broken: {
      edit: editContainer('redis', () => ({ command: ['redis-server', '/etc/redis/redis.conf', '--protected-mode', 'no'] })),
      error: /PONG|NOAUTH/,
    },
  },
  {
    name: 'The Redis readiness probe fails on a wrong password and on a stopped or ended server; the liveness probe fails only on the latter',
    async run(sandbox) {
      const { pod, server } = await startRedis(sandbox);
      const password = pod.file(PASSWORD, 'redis');
      for (const wrong of ['', 'wrong']) {
        writeFileSync(password, wrong);
        assert.equal(await pod.probe('readiness', 'redis'), false, `ready with the password "${wrong}"`);
        assert.equal(await pod.probe('liveness', 'redis'), true, `not alive with the password "${wrong}"`);
      }
      writeFileSync(password, sandbox.secrets.get('redis', 'password'));
      assert.equal(await pod.probe('readiness', 'redis'), true, 'not ready with the right password');
      for (const [state, end] of [
        ['stopped', () => server.signal('SIGSTOP')],
        ['ended', () => server.kill()],
      ] as const) {
        await end();
        assert.equal(await pod.probe('readiness', 'redis'), false, `ready while ${state}`);
        assert.equal(await pod.probe('liveness', 'redis'), false, `alive while ${state}`);
      }
    },
    broken: { edit: execProbe('redis', 'readiness', 'redis-cli ping'), error: /ready with the password/ },
  },
  {
    name: 'Redis stays ready when its Secret changes',
    async run(sandbox) {
      const { pod } = await startRedis(sandbox);
      writeFileSync(pod.file('/run/secrets/redis/password', 'redis'), 'another one');
      assert.equal(await pod.probe('readiness', 'redis'), true, 'not ready: every client is disconnected');
    },
    broken: {
      edit: execProbe('redis', 'readiness', 'REDISCLI_AUTH="$(cat /run/secrets/redis/password)" redis-cli -e ping'),
      error: /every client is disconnected/,
    },
  },
  {
    name: 'Redis is alive but not ready while it loads its data',
    async run(sandbox) {
      const { pod, server, cli } = await startRedis(sandbox);
      await cli('EVAL', "for i = 1, 3000 do redis.call('SET', 'key:' .. i, i) end", '0');
      // The server answers while it loads the base file, which the rewrite creates.
      await cli('BGREWRITEAOF');
      await eventually(async () => /aof_rewrite_in_progress:0/.test(await cli('INFO', 'persistence')), 10, 'the log is rewritten');
      assert.equal(await server.stop(20), 0);
      // A debugging option of Redis: microseconds to load one key.
      appendFileSync(pod.file('/etc/redis/redis.conf', 'redis'), 'key-load-delay 2000\nloading-process-events-interval-bytes 1024\n');
      pod.start('redis');
      const loading = async () => (await cliOf(pod, sandbox)('PING')).includes('LOADING');
      await eventually(loading, 5, 'Redis loads its data');
      assert.equal(await pod.probe('readiness', 'redis'), false, 'ready while it loads');
      assert.equal(await pod.probe('liveness', 'redis'), true, 'not alive while it loads');
      assert.ok(await loading(), 'loading ended before the probes ran');
      await pod.waitFor('readiness', 30);
    },
    broken: { edit: execProbe('redis', 'liveness', 'redis-cli ping | grep -q PONG'), error: /not alive while it loads/ },
  },
  {
    name: 'A full broker rejects writes and evicts nothing (maxmemory lowered to 32 MiB)',
    async run(sandbox) {
      const { cli, stored, last } = await fill(sandbox, 'redis');
      assert.match(last, /^\(error\) OOM|^OOM/, 'it accepted more than maxmemory');
      assert.equal(await cli('DBSIZE'), `${stored}`, 'it evicted a key');
    },
    broken: { edit: editConfig('noeviction', 'allkeys-lru'), error: /more than maxmemory/ },
  },
  {
    name: 'A full cache evicts keys and accepts writes (maxmemory lowered to 32 MiB)',
    when: (manifests: Manifests) => manifests.some(({ kind, metadata }) => kind === 'StatefulSet' && metadata.name === 'redis-cache'),
    async run(sandbox) {
      const { pod, stored } = await fill(sandbox, 'redis-cache');
      await pod.waitFor('liveness', 5, 'redis');
      assert.equal(stored, 2 * FULL, 'it rejected a write');
    },
    broken: { edit: editFile('redis-cache', 'redis.conf', 'allkeys-lru', 'noeviction'), error: /rejected a write/ },
  },
  {
    name: 'SIGKILL loses at most the last second of acknowledged writes',
    async run(sandbox) {
      const { pod, server, cli } = await startRedis(sandbox);
      const acknowledged: { count: number; at: number }[] = [];
      const { command, env } = redisCli(sandbox);
      const writes = pod.exec([...command, '-r', '1000000', 'INCR', 'count'], { env });
      const observe = async () => acknowledged.push({ at: performance.now(), count: Number(await cli('GET', 'count')) }) > 20;
      await eventually(observe, 20, 'writes are acknowledged');
      const killed = performance.now();
      await server.kill();
      await writes;
      await pod.startUntil('readiness', 20, 'redis');
      const kept = Number(await cli('GET', 'count'));
      const safe = Math.max(...acknowledged.filter(({ at }) => at < killed - 1000).map(({ count }) => count));
      assert.ok(safe > 0, 'no write was acknowledged more than a second before the kill');
      assert.ok(kept >= safe, `${safe} writes were acknowledged more than a second before the kill, and ${kept} are kept`);
    },
    broken: { edit: editConfig('appendonly yes', 'appendonly no'), error: /were acknowledged/ },
  },
  {
    name: 'Redis saves on SIGTERM, exits with 0 within the grace period, and has its data after a restart',
    async run(sandbox) {
      const { pod, server, cli } = await startRedis(sandbox);
      await cli('SET', 'kept', 'yes');
      assert.equal(await pod.stop(server), 0);
      await pod.startUntil('readiness', 20, 'redis');
      assert.equal(await cli('GET', 'kept'), 'yes');
    },
    broken: {
      edit: withoutSignals('redis', (command) => command.map((each) => each.replace(/exec (redis-server[\s\S]*)/, '$1\ntrue'))),
      error: /did not end within 5 s/,
    },
  },
  {
    name: 'No command line shows the Redis password',
    async run(sandbox) {
      const { pod } = await startRedis(sandbox);
      const probes = Array.from({ length: 10 }, () => pod.probe('readiness', 'redis'));
      const password = sandbox.secrets.get('redis', 'password');
      const probed = () => {
        assert.ok(!processList().includes(password), 'a command line shows the password');
        return /redis-cli .*-e ping/.test(processList());
      };
      await eventually(probed, 5, 'a probe runs');
      await Promise.all(probes);
      assert.match(processList(), /redis-server/, 'the process list lacks the server');
    },
    broken: {
      edit: execProbe('redis', 'readiness', `sh -c 'REDISCLI_AUTH="$0" sh -c "sleep 1; redis-cli -e ping"' "$(cat ${PASSWORD})"`),
      error: /a command line shows the password/,
    },
  },
];

export const redis: Suite = { name: 'redis', programs: ['redis-server', 'redis-cli'], checks };

export const redisExporter: Suite = {
  name: 'redis exporter',
  programs: ['redis_exporter', 'redis-server', 'redis-cli'],
  checks: [
    {
      name: 'The Redis exporter logs in, its probes succeed, and it serves the metrics that the rules use',
      async run(sandbox) {
        const { pod } = await startRedis(sandbox);
        await pod.startUntil('readiness', 20, 'exporter');
        await pod.waitFor('liveness', 5, 'exporter');
        const page = await pod.text('metrics', '/metrics');
        assert.match(page, /^redis_up 1$/m);
        assertServed(metricsUsed(sandbox.manifests, 'redis'), page);
      },
      broken: { edit: removeEnv('redis', 'REDIS_PASSWORD', 'exporter'), error: /redis_up 1/ },
    },
  ],
};
