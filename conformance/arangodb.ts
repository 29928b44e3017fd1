import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import type { Manifest } from '../lib/render.ts';
import { type Check, containersOf, replaceIn, type Service } from './check.ts';
import type { Pod } from './pod.ts';
import { eventually, type Program } from './program.ts';
import type { Sandbox } from './sandbox.ts';

const SECRET = '/run/secrets/arangodb';

/** The database, up. */
async function up(sandbox: Sandbox): Promise<Pod> {
  const pod = sandbox.pod('StatefulSet', 'arangodb');
  pod.start();
  await pod.until('startup', 20);
  return pod;
}

/** The Job's pod, and the database and user that it makes. */
function maker(sandbox: Sandbox) {
  const pod = sandbox.pod('Job', 'arangodb-bootstrap');
  const setting = (name: string) => pod.container().env?.find((each) => each.name === name)?.value ?? '';
  return { pod, database: setting('ARANGO_DATABASE'), username: setting('ARANGO_USERNAME') };
}

/** The Job's own container, to its good end. */
async function run(pod: Pod): Promise<string> {
  const program = pod.start();
  assert.equal(await program.ended, 0, `the Job failed: ${program.output}`);
  return program.output;
}

/** Throws unless it ended with one sentence for a person. */
async function refused(program: Program, sentence: RegExp): Promise<void> {
  assert.equal(await program.ended, 1, `it did not refuse: ${program.output}`);
  assert.match(program.output, sentence);
  assert.doesNotMatch(program.output, /Traceback/, 'it shows its own insides');
}

/** The status of one request under a login. */
async function status(pod: Pod, user: string, password: string, method: string, path: string, body?: object): Promise<number> {
  const headers = { Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` };
  return (await fetch(`${pod.url('arangodb')}${path}`, { method, headers, ...(body && { body: JSON.stringify(body) }) })).status;
}

/** The server without one of its variables. */
function withoutVariable(all: readonly Manifest[], variable: string): void {
  const [server] = containersOf(all, 'arangodb');
  server.env = server.env.filter(({ name }: { name: string }) => name !== variable);
}

const checks: readonly Check[] = [
  {
    name: 'boots, and every probe is answered',
    async run(sandbox) {
      const pod = await up(sandbox);
      await pod.until('readiness', 5);
      await pod.until('liveness', 5);
    },
    broken: {
      by: (all) => {
        containersOf(all, 'arangodb')[0].startupProbe.httpGet.path = '/_api/version';
      },
      says: /startup probe/,
    },
  },
  {
    name: "killed at any point of its first start, it comes back with the Secret's root password and no other",
    within: 120,
    async run(sandbox) {
      const secret = sandbox.secret('arangodb', 'root-password');
      // Seconds after the entrypoint says that it begins; `undefined` kills it before.
      const moments = [undefined, 0, 0.2, 0.4, 0.7, 1, 1.3, 1.6, 2, 2.5];
      const killed = moments.map(async (seconds, ordinal) => {
        const pod = sandbox.pod('StatefulSet', 'arangodb', ordinal);
        const first = pod.start();
        if (seconds !== undefined) {
          await eventually(() => /Initializing root user/.test(first.output), 30, 'the first start begins');
          await pause(seconds * 1000);
        }
        await first.kill();
        pod.start();
        await pod.until('readiness', 60);
        const when = `killed ${seconds ?? 'before any'} s after the first start began, `;
        assert.equal(await status(pod, 'root', '', 'GET', '/_api/user'), 401, `${when}root has an empty password`);
        assert.equal(await status(pod, 'root', secret, 'GET', '/_api/user'), 200, `${when}root has not the Secret's password`);
      });
      await Promise.all(killed);
    },
    broken: { by: (all) => withoutVariable(all, 'ARANGODB_DEFAULT_ROOT_PASSWORD'), says: /root has an empty password/ },
  },
  {
    name: "root has the Secret's password again after a restart, whatever it was changed to",
    async run(sandbox) {
      const pod = sandbox.pod('StatefulSet', 'arangodb');
      const first = pod.start();
      await pod.until('startup', 20);
      const [secret, other] = [sandbox.secret('arangodb', 'root-password'), sandbox.anotherSecret('arangodb', 'root-password')];
      assert.equal(await status(pod, 'root', secret, 'PATCH', '/_api/user/root', { passwd: other }), 200);
      assert.equal(await status(pod, 'root', other, 'GET', '/_api/user'), 200, 'a change counts only after a restart');
      assert.equal(await first.stop(30), 0);
      pod.start();
      await pod.until('startup', 20);
      assert.equal(await status(pod, 'root', secret, 'GET', '/_api/user'), 200, "the Secret's password is refused");
      assert.equal(await status(pod, 'root', other, 'GET', '/_api/user'), 401, 'the former password is accepted');
    },
    broken: { by: (all) => withoutVariable(all, 'ARANGODB_DEFAULT_ROOT_PASSWORD'), says: /the Secret's password is refused/ },
  },
  {
    name: 'the Job makes the database and its users, each with its own right, and changes nothing when it runs again',
    async run(sandbox) {
      const pod = await up(sandbox);
      const { pod: job, database, username } = maker(sandbox);
      const said = await run(job);
      assert.match(said, new RegExp(`database ${database}: created`));
      assert.match(said, new RegExp(`user ${username}: created`));
      assert.doesNotMatch(await run(job), /created|repaired| on /, 'the second run changed something');
      const app = [pod, username, sandbox.secret('arangodb', 'password')] as const;
      const metrics = [pod, 'metrics', sandbox.secret('arangodb', 'metrics-password')] as const;
      const collection = { name: 'orders' };
      assert.equal(await status(...app, 'POST', `/_db/${database}/_api/collection`, collection), 200, 'the app cannot write');
      assert.ok((await status(...app, 'GET', '/_api/user')) > 400, 'the app sees the users');
      assert.equal(await status(...metrics, 'GET', '/_db/metrics/_admin/metrics/v2'), 200, 'Prometheus cannot read metrics');
      assert.ok((await status(...metrics, 'GET', `/_db/${database}/_api/collection`)) > 400, "Prometheus reads the app's data");
    },
    broken: {
      by: (all) => replaceIn(all, 'arangodb-bootstrap', 'bootstrap.py', 'database, "rw")', 'database, "ro")'),
      says: /the app cannot write/,
    },
  },
  {
    name: 'the Job repairs a password that was changed',
    async run(sandbox) {
      const pod = await up(sandbox);
      const { pod: job, database, username } = maker(sandbox);
      await run(job);
      const [old, changed] = [sandbox.secret('arangodb', 'password'), sandbox.anotherSecret('arangodb', 'password')];
      writeFileSync(job.file(`${SECRET}/password`), changed);
      assert.match(await run(job), new RegExp(`user ${username}: password repaired`));
      const path = `/_db/${database}/_api/database/current`;
      assert.equal(await status(pod, username, changed, 'GET', path), 200, 'the new password is refused');
      assert.equal(await status(pod, username, old, 'GET', path), 401, 'the old password is taken');
    },
    broken: {
      by: (all) => replaceIn(all, 'arangodb-bootstrap', 'bootstrap.py', '{"passwd": password, "active": True}', '{"active": True}'),
      says: /new password is refused/,
    },
  },
  {
    name: 'the Job waits for a server that has no name yet, then for one that does not answer',
    async run(sandbox) {
      const job = maker(sandbox).pod.start();
      await eventually(() => /^waiting for /m.test(job.output), 20, 'it says that it waits');
      const pod = sandbox.pod('StatefulSet', 'arangodb');
      await pause(2000);
      pod.start();
      assert.equal(await job.ended, 0, `the Job did not wait: ${job.output}`);
    },
    broken: {
      by: (all) => replaceIn(all, 'arangodb-bootstrap', 'bootstrap.py', 'START_TIMEOUT = 600', 'START_TIMEOUT = 1'),
      says: /it says that it waits/,
    },
  },
  {
    name: 'the Job says in a sentence that the root password is wrong',
    async run(sandbox) {
      await up(sandbox);
      const { pod: job } = maker(sandbox);
      writeFileSync(job.file(`${SECRET}/root-password`), sandbox.anotherSecret('arangodb', 'root-password'));
      await refused(
        job.start(),
        /^bootstrap: the root password in the Secret is not the database's: .*Restart the StatefulSet of ArangoDB/,
      );
    },
    broken: {
      by: (all) => replaceIn(all, 'arangodb-bootstrap', 'bootstrap.py', 'root, codes=(200, 401))[0]', 'root)[0]'),
      says: /the root password in the Secret/,
    },
  },
  {
    name: 'the Job says in a sentence that the server fails, and shows no secret',
    async run(sandbox) {
      const server = createServer((request, answer) =>
        answer.writeHead(request.url === '/_admin/server/availability' ? 200 : 500).end('?'),
      );
      server.listen(8529, sandbox.address('arangodb'));
      await refused(maker(sandbox).pod.start(), /^bootstrap: GET \/_api\/user\/root answered 500: /);
    },
    broken: {
      by: (all) => replaceIn(all, 'arangodb-bootstrap', 'bootstrap.py', "'no error message')}", "'no error message')} {login}"),
      says: /the log of .* shows the secret arangodb\/root-password/,
    },
  },
];

/** The server, and the Job that makes the app's database and users in it. */
export const arangodb: Service = { name: 'arangodb', programs: ['arangod', 'python3'], checks };
