import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import type { Check, Suite } from './check.ts';
import { editFile, editProbe, removeEnv } from './manifests.ts';
import { basicAuth } from './metrics.ts';
import type { Pod } from './pod.ts';
import { eventually, type Process } from './process.ts';
import type { Sandbox } from './sandbox.ts';

const SECRET = '/run/secrets/arangodb';

async function startServer(sandbox: Sandbox): Promise<Pod> {
  const pod = sandbox.pod('arangodb');
  await pod.startUntil('startup', 20);
  return pod;
}

/** The Job's pod, and the database and user that it creates. */
function bootstrap(sandbox: Sandbox) {
  const pod = sandbox.pod('arangodb-bootstrap');
  const variable = (name: string) => pod.container().env?.find((each) => each.name === name)?.value ?? '';
  return { pod, database: variable('ARANGO_DATABASE'), username: variable('ARANGO_USERNAME') };
}

/** Throws unless the Job failed with that sentence. */
async function assertFails(job: Process, sentence: RegExp): Promise<void> {
  assert.equal(await job.ended, 1, `the Job did not fail: ${job.output}`);
  assert.match(job.output, sentence);
  assert.doesNotMatch(job.output, /Traceback/, 'it prints a traceback');
}

/** Sends a request with a login and returns the status. */
async function status(pod: Pod, user: string, password: string, method: string, path: string, body?: object): Promise<number> {
  const headers = { Authorization: basicAuth(user, password) };
  return (await pod.fetch('arangodb', path, { method, headers, ...(body && { body: JSON.stringify(body) }) })).status;
}

const editScript = (from: string | RegExp, to: string) => editFile('arangodb-bootstrap', 'bootstrap.py', from, to);

const checks: readonly Check[] = [
  {
    name: 'ArangoDB starts, and every probe succeeds',
    async run(sandbox) {
      const pod = await startServer(sandbox);
      await pod.waitFor('readiness', 5);
      await pod.waitFor('liveness', 5);
    },
    broken: { edit: editProbe('arangodb', 'startup', { httpGet: { path: '/_api/version', port: 'arangodb' } }), error: /startup probe/ },
  },
  {
    name: "ArangoDB accepts the Secret's root password and no other after SIGKILL at any point of its first start",
    async run(sandbox) {
      const secret = sandbox.secrets.get('arangodb', 'root-password');
      // Seconds after the entrypoint starts to initialize; `undefined` is before it.
      const moments = [undefined, 0, 0.2, 0.4, 0.7, 1, 1.3, 1.6, 2, 2.5];
      const killed = moments.map(async (seconds, ordinal) => {
        const pod = sandbox.pod('arangodb', ordinal);
        const first = pod.start();
        if (seconds !== undefined) {
          await eventually(() => /Initializing root user/.test(first.output), 30, 'the first start begins');
          await pause(seconds * 1000);
        }
        await first.kill();
        await pod.startUntil('readiness', 60);
        const when = seconds === undefined ? 'killed before the first start, ' : `killed ${seconds} s into the first start, `;
        assert.equal(await status(pod, 'root', '', 'GET', '/_api/user'), 401, `${when}root has an empty password`);
        assert.equal(await status(pod, 'root', secret, 'GET', '/_api/user'), 200, `${when}root lacks the Secret's password`);
      });
      await Promise.all(killed);
    },
    broken: { edit: removeEnv('arangodb', 'ARANGODB_DEFAULT_ROOT_PASSWORD'), error: /root has an empty password/ },
  },
  {
    name: "A restart of ArangoDB resets the root password to the Secret's",
    async run(sandbox) {
      const pod = sandbox.pod('arangodb');
      const first = await pod.startUntil('startup', 20);
      const secret = sandbox.secrets.get('arangodb', 'root-password');
      const other = sandbox.secrets.another('arangodb', 'root-password');
      assert.equal(await status(pod, 'root', secret, 'PATCH', '/_api/user/root', { passwd: other }), 200);
      assert.equal(await status(pod, 'root', other, 'GET', '/_api/user'), 200, 'the change has no effect before a restart');
      assert.equal(await first.stop(30), 0);
      await pod.startUntil('startup', 20);
      assert.equal(await status(pod, 'root', secret, 'GET', '/_api/user'), 200, "the Secret's password is rejected");
      assert.equal(await status(pod, 'root', other, 'GET', '/_api/user'), 401, 'the changed password is accepted');
    },
    broken: { edit: removeEnv('arangodb', 'ARANGODB_DEFAULT_ROOT_PASSWORD'), error: /the Secret's password is rejected/ },
  },
  {
    name: 'The ArangoDB bootstrap Job creates the database and its users, each with its own permission, and changes nothing on its second run',
    async run(sandbox) {
      const pod = await startServer(sandbox);
      const { pod: job, database, username } = bootstrap(sandbox);
      const output = await job.complete();
      assert.match(output, new RegExp(`database ${database}: created`));
      assert.match(output, new RegExp(`user ${username}: created`));
      assert.doesNotMatch(await job.complete(), /created|repaired| on /, 'the second run changed something');
      const app = [pod, username, sandbox.secrets.get('arangodb', 'password')] as const;
      const metrics = [pod, 'metrics', sandbox.secrets.get('arangodb', 'metrics-password')] as const;
      const collection = { name: 'orders' };
      assert.equal(await status(...app, 'POST', `/_db/${database}/_api/collection`, collection), 200, 'the app cannot write');
      assert.ok((await status(...app, 'GET', '/_api/user')) > 400, 'the app can read the users');
      assert.equal(await status(...metrics, 'GET', '/_db/metrics/_admin/metrics/v2'), 200, 'Prometheus cannot read metrics');
      assert.ok((await status(...metrics, 'GET', `/_db/${database}/_api/collection`)) > 400, "Prometheus can read the app's data");
    },
    broken: { edit: editScript('"rw")', '"ro")'), error: /the app cannot write/ },
  },
  {
    name: "The ArangoDB bootstrap Job resets the app user's password to the Secret's",
    async run(sandbox) {
      const pod = await startServer(sandbox);
      const { pod: job, database, username } = bootstrap(sandbox);
      await job.complete();
      const [old, changed] = [sandbox.secrets.get('arangodb', 'password'), sandbox.secrets.another('arangodb', 'password')];
      writeFileSync(job.file(`${SECRET}/password`), changed);
      assert.match(await job.complete(), new RegExp(`user ${username}: password repaired`));
      const path = `/_db/${database}/_api/database/current`;
      assert.equal(await status(pod, username, changed, 'GET', path), 200, 'the new password is rejected');
      assert.equal(await status(pod, username, old, 'GET', path), 401, 'the old password is accepted');
    },
    broken: { edit: editScript('{"passwd": password, "active": True}', '{"active": True}'), error: /new password is rejected/ },
  },
  {
    name: 'The ArangoDB bootstrap Job waits until the name of ArangoDB resolves and the server answers',
    async run(sandbox) {
      const job = bootstrap(sandbox).pod.start();
      await eventually(() => /^waiting for /m.test(job.output), 20, 'the Job waits');
      const pod = sandbox.pod('arangodb');
      await pause(2000);
      pod.start();
      assert.equal(await job.ended, 0, `the Job did not wait: ${job.output}`);
    },
    broken: { edit: editScript(/^(\w+) = 600/m, '$1 = 1'), error: /the Job waits/ },
  },
  {
    name: 'The ArangoDB bootstrap Job fails with a sentence when the root password is wrong',
    async run(sandbox) {
      await startServer(sandbox);
      const { pod: job } = bootstrap(sandbox);
      writeFileSync(job.file(`${SECRET}/root-password`), sandbox.secrets.another('arangodb', 'root-password'));
      await assertFails(
        job.start(),
        /^bootstrap: the root password in the Secret is not the database's: .*Restart the StatefulSet of ArangoDB/,
      );
    },
    broken: { edit: editScript('root, codes=(200, 401))[0]', 'root)[0]'), error: /the root password in the Secret/ },
  },
  {
    name: 'The ArangoDB bootstrap Job fails with a sentence when ArangoDB returns errors, and prints no secret',
    async run(sandbox) {
      const server = createServer(({ url }, response) => response.writeHead(url === '/_admin/server/availability' ? 200 : 500).end('?'));
      server.listen(sandbox.listenFor('arangodb', 'arangodb'));
      await assertFails(bootstrap(sandbox).pod.start(), /^bootstrap: GET \/_api\/user\/root answered 500: /);
    },
    broken: {
      edit: editScript(/(answered \{status\}: [^"]*)"/, '$1 {login}"'),
      error: /the log of .* shows the secret arangodb\/root-password/,
    },
  },
];

export const arangodb: Suite = { name: 'arangodb', programs: ['arangod', 'python3'], checks };
