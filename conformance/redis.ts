import assert from 'node:assert/strict';
import { appendFileSync, writeFileSync } from 'node:fs';
import type { Manifest } from '../lib/render.ts';
import { type Check, containersOf, replaceIn, type Service } from './check.ts';
import type { Pod } from './pod.ts';
import { commandLines, eventually } from './program.ts';
import type { Sandbox } from './sandbox.ts';

/** Where the server keeps the password that it was started with. */
const PASSWORD = '/run/platform/password';

/** The Redis of that name, up and ready. */
async function up(sandbox: Sandbox, name: string) {
  const pod = sandbox.pod('StatefulSet', name);
  const server = pod.start('redis');
  await pod.until('readiness', 20);
  return { pod, server, cli: cli(pod, sandbox.secret(name, 'password')) };
}

/** Commands to the server with a password. */
function cli(pod: Pod, password: string) {
  return async (...command: readonly string[]) => {
    const { output } = await pod.exec(['redis-cli', '-e', ...command], { env: { REDISCLI_AUTH: password } });
    return output.trim();
  };
}

/** Megabytes until the server says something else than OK, at most so many; how many it took, and what it said last. */
async function fill(pod: Pod, password: string, most: number) {
  const commands = Array.from({ length: most }, (_, index) => `SET filler:${index} ${'x'.repeat(1 << 20)}\n`).join('');
  const { output } = await pod.exec(['redis-cli'], { env: { REDISCLI_AUTH: password }, stdin: commands, seconds: 60 });
  const said = output.split('\n').filter((line) => line.trim());
  return { stored: said.filter((line) => line === 'OK').length, last: said.at(-1) ?? '' };
}

const hasCache = (manifests: readonly Manifest[]) =>
  manifests.some(({ kind, metadata }) => kind === 'StatefulSet' && metadata.name === 'redis-cache');

const checks: readonly Check[] = [
  {
    name: 'boots from the generated configuration, and every probe is answered',
    async run(sandbox) {
      const { pod, cli } = await up(sandbox, 'redis');
      await pod.until('liveness', 5, 'redis');
      assert.equal(await cli('CONFIG', 'GET', 'maxmemory-policy'), 'maxmemory-policy\nnoeviction');
    },
    broken: { by: (all) => replaceIn(all, 'redis', 'redis.conf', 'appendonly yes', 'appendonly perhaps'), says: /readiness probe/ },
  },
  {
    name: 'refuses no password and a wrong one',
    async run(sandbox) {
      const { pod, cli: known } = await up(sandbox, 'redis');
      assert.match(await cli(pod, '')('PING'), /^(AUTH failed: .*\n)?NOAUTH/);
      assert.match(await cli(pod, 'wrong')('PING'), /WRONGPASS|NOAUTH/);
      assert.equal(await known('PING'), 'PONG');
    },
    broken: {
      by: (all) => {
        containersOf(all, 'redis')[0].command = ['redis-server', '/etc/redis/redis.conf', '--protected-mode', 'no'];
      },
      says: /PONG|NOAUTH/,
    },
  },
  {
    name: 'readiness tells healthy from a wrong password, loading and stopped; liveness only silence',
    async run(sandbox) {
      const { pod, server } = await up(sandbox, 'redis');
      const password = pod.file(PASSWORD, 'redis');
      for (const wrong of ['', 'wrong']) {
        writeFileSync(password, wrong);
        assert.equal(await pod.probe('readiness', 'redis'), false, `ready with the password "${wrong}"`);
        assert.equal(await pod.probe('liveness', 'redis'), true, `not alive with the password "${wrong}"`);
      }
      writeFileSync(password, sandbox.secret('redis', 'password'));
      assert.equal(await pod.probe('readiness', 'redis'), true, 'not ready with the right password');
      await server.signal('SIGSTOP');
      assert.equal(await pod.probe('readiness', 'redis'), false, 'ready while it is stopped');
      assert.equal(await pod.probe('liveness', 'redis'), false, 'alive while it is stopped');
      await server.kill();
      assert.equal(await pod.probe('readiness', 'redis'), false, 'ready while it is gone');
      assert.equal(await pod.probe('liveness', 'redis'), false, 'alive while it is gone');
    },
    broken: {
      by: (all) => {
        containersOf(all, 'redis')[0].readinessProbe.exec.command = ['sh', '-c', 'redis-cli ping'];
      },
      says: /ready with the password/,
    },
  },
  {
    name: 'a Secret that changes makes no running server unready',
    async run(sandbox) {
      const { pod } = await up(sandbox, 'redis');
      writeFileSync(pod.file('/run/secrets/redis/password', 'redis'), 'another one');
      assert.equal(await pod.probe('readiness', 'redis'), true, 'it is not ready, and every client is cut off');
    },
    broken: {
      by: (all) => {
        containersOf(all, 'redis')[0].readinessProbe.exec.command[2] =
          'REDISCLI_AUTH="$(cat /run/secrets/redis/password)" redis-cli -e ping';
      },
      says: /every client is cut off/,
    },
  },
  {
    name: 'while it loads it is alive and not ready',
    async run(sandbox) {
      const { pod, server, cli } = await up(sandbox, 'redis');
      await cli('EVAL', "for i = 1, 3000 do redis.call('SET', 'key:' .. i, i) end", '0');
      // Into the base file: while it reads that one, the server answers between the keys.
      await cli('BGREWRITEAOF');
      await eventually(async () => /aof_rewrite_in_progress:0/.test(await cli('INFO', 'persistence')), 10, 'the log is rewritten');
      assert.equal(await server.stop(20), 0);
      // Redis' own means for its tests: each key takes this many microseconds to load.
      appendFileSync(pod.file('/etc/redis/redis.conf', 'redis'), 'key-load-delay 2000\nloading-process-events-interval-bytes 1024\n');
      pod.start('redis');
      const said = async () =>
        (await pod.exec(['redis-cli', 'PING'], { env: { REDISCLI_AUTH: sandbox.secret('redis', 'password') } })).output;
      await eventually(async () => /^LOADING/.test(await said()), 5, 'it says that it loads');
      assert.equal(await pod.probe('readiness', 'redis'), false, 'ready while it loads');
      assert.equal(await pod.probe('liveness', 'redis'), true, 'not alive while it loads');
      assert.match(await said(), /^LOADING/, 'it was done loading before the probes were asked');
      await pod.until('readiness', 30);
    },
    broken: {
      by: (all) => {
        containersOf(all, 'redis')[0].livenessProbe.exec.command[2] = 'redis-cli ping | grep -q PONG';
      },
      says: /not alive while it loads/,
    },
  },
  {
    name: 'a full broker answers with an error and evicts nothing (made full at 32 MiB)',
    async run(sandbox) {
      const { pod, cli } = await up(sandbox, 'redis');
      await cli('CONFIG', 'SET', 'maxmemory', '32mb');
      const { stored, last } = await fill(pod, sandbox.secret('redis', 'password'), 64);
      assert.match(last, /^\(error\) OOM|^OOM/, 'it took more than it has room for');
      assert.equal(await cli('DBSIZE'), `${stored}`, 'a key that it took is gone');
    },
    broken: { by: (all) => replaceIn(all, 'redis', 'redis.conf', 'noeviction', 'allkeys-lru'), says: /more than it has room for/ },
  },
  {
    name: 'a full cache forgets and goes on (made full at 32 MiB)',
    when: hasCache,
    async run(sandbox) {
      const { pod, cli } = await up(sandbox, 'redis-cache');
      await pod.until('liveness', 5, 'redis');
      await cli('CONFIG', 'SET', 'maxmemory', '32mb');
      const { stored } = await fill(pod, sandbox.secret('redis-cache', 'password'), 64);
      assert.equal(stored, 64, 'it refused a write');
    },
    broken: { by: (all) => replaceIn(all, 'redis-cache', 'redis.conf', 'allkeys-lru', 'noeviction'), says: /refused a write/ },
  },
  {
    name: 'SIGKILL right after an acknowledged write loses nothing older than the second of everysec',
    async run(sandbox) {
      const { pod, server, cli } = await up(sandbox, 'redis');
      const acknowledged: { count: number; at: number }[] = [];
      const writes = pod.exec(['redis-cli', '-r', '1000000', 'INCR', 'count'], {
        env: { REDISCLI_AUTH: sandbox.secret('redis', 'password') },
      });
      await eventually(
        async () => {
          acknowledged.push({ at: performance.now(), count: Number(await cli('GET', 'count')) });
          return acknowledged.length > 20;
        },
        20,
        'writes are acknowledged',
      );
      const killed = performance.now();
      await server.kill();
      await writes;
      pod.start('redis');
      await pod.until('readiness', 20);
      const kept = Number(await cli('GET', 'count'));
      const safe = Math.max(...acknowledged.filter(({ at }) => at < killed - 1000).map(({ count }) => count));
      assert.ok(safe > 0, 'nothing was acknowledged more than a second before');
      assert.ok(kept >= safe, `${safe} was acknowledged more than a second before the kill, and ${kept} is there`);
    },
    broken: { by: (all) => replaceIn(all, 'redis', 'redis.conf', 'appendonly yes', 'appendonly no'), says: /was acknowledged/ },
  },
  {
    name: 'SIGTERM saves and ends with 0 within the grace period; the data is there again',
    async run(sandbox) {
      const { pod, server, cli } = await up(sandbox, 'redis');
      await cli('SET', 'kept', 'yes');
      const grace: number = sandbox.object('StatefulSet', 'redis').spec.template.spec.terminationGracePeriodSeconds;
      assert.equal(await server.stop(grace), 0);
      pod.start('redis');
      await pod.until('readiness', 20);
      assert.equal(await cli('GET', 'kept'), 'yes');
    },
  },
  {
    name: 'the process list shows no password',
    async run(sandbox) {
      const { pod } = await up(sandbox, 'redis');
      const probing = Array.from({ length: 10 }, () => pod.probe('readiness', 'redis'));
      const password = sandbox.secret('redis', 'password');
      await eventually(
        () => {
          assert.ok(!commandLines().includes(password), 'a command line shows the password');
          return /redis-cli -e ping/.test(commandLines());
        },
        5,
        'a probe is seen at work',
      );
      await Promise.all(probing);
      assert.match(commandLines(), /redis-server/, 'the server is not in the list');
    },
    broken: {
      by: (all) => {
        const shell = 'REDISCLI_AUTH="$0" sh -c "sleep 1; redis-cli -e ping"';
        containersOf(all, 'redis')[0].readinessProbe.exec.command = ['sh', '-c', `sh -c '${shell}' "$(cat ${PASSWORD})"`];
      },
      says: /a command line shows the password/,
    },
  },
];

/** The broker, and the cache where there is one. */
export const redis: Service = { name: 'redis', programs: ['redis-server', 'redis-cli'], checks };

/** What Prometheus reads of Redis: it logs in by a variable, from the same pod. */
export const redisExporter: Service = {
  name: 'redis exporter',
  programs: ['redis_exporter', 'redis-server', 'redis-cli'],
  checks: [
    {
      name: 'logs in, its probes are answered, and it has the metrics that the rules read',
      async run(sandbox) {
        const { pod } = await up(sandbox, 'redis');
        pod.start('exporter');
        await pod.until('readiness', 20, 'exporter');
        await pod.until('liveness', 5, 'exporter');
        const metrics = await (await fetch(`${pod.url('metrics')}/metrics`)).text();
        assert.match(metrics, /^redis_up 1$/m);
        assert.match(metrics, /^redis_memory_max_bytes \d/m);
      },
      broken: {
        by: (all) => {
          containersOf(all, 'redis')[1].env = [{ name: 'REDIS_ADDR', value: 'redis://localhost:6379' }];
        },
        says: /redis_up 1/,
      },
    },
  ],
};
