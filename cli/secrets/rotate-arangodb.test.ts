import { afterEach, describe, expect, test } from 'vitest';
import { UserError } from '../user-error.ts';
import { account, cluster, endRotation, errorOf, OLD, READERS, run, waits, withService } from './rotate-testing.ts';

afterEach(endRotation);

describe("ArangoDB's root", () => {
  test('is changed in ArangoDB, then in the Secret, and a crash in between does not lose it', async () => {
    const made = cluster();
    const login = { password: 'old-root-value' };
    let kept: string | undefined;
    await withService(
      made,
      'arangodb',
      account('root', login, ({ body }) => {
        kept = made.secrets.arangodb?.['root-password.new'];
        return body.passwd;
      }),
    );
    await run(made, 'arangodb/root-password');
    expect(made.calls).toEqual([
      'replace arangodb',
      'PATCH /_api/user/root',
      'replace arangodb',
      `rollout restart statefulset/arangodb ${READERS}`,
      ...waits('statefulset/arangodb', ...READERS.split(' ')),
    ]);
    expect(login.password).toMatch(/^[\w-]{43}$/);
    expect(kept).toBe(login.password);
    expect(made.secrets.arangodb).toEqual({ ...OLD.arangodb, 'root-password': login.password });
  });

  test('is restored when the Secret cannot be written', async () => {
    const made = cluster();
    const login = { password: 'old-root-value' };
    await withService(
      made,
      'arangodb',
      account('root', login, ({ body }) => body.passwd),
    );
    made.failure = (call) =>
      call === 'replace arangodb' && made.calls.includes('PATCH /_api/user/root') ? new UserError('no more room') : undefined;
    expect(await errorOf(made, 'arangodb/root-password')).toBe(
      'no more room\nthe old value is still valid; fix the cause and run the command again',
    );
    expect(login.password).toBe('old-root-value');
    expect(made.secrets.arangodb?.['root-password']).toBe('old-root-value');
  });

  test('stays in the Secret when it cannot be restored, and the next attempt uses it', async () => {
    const made = cluster();
    const login = { password: 'old-root-value' };
    let down = false;
    const known = account('root', login, ({ body }) => body.passwd);
    await withService(made, 'arangodb', (request) => (down ? undefined : known(request)));
    made.failure = (call) => {
      down = made.calls.includes('PATCH /_api/user/root');
      return down && call === 'replace arangodb' ? new UserError('no more room') : undefined;
    };
    expect(await errorOf(made, 'arangodb/root-password')).toBe(
      'no more room\nthe service may already have the new value, and restoring the old one failed too (arangodb does not respond through the forwarded port: check with npm run status whether it is ready): the Secret keeps both; fix the cause and run the command again',
    );
    expect(made.secrets.arangodb).toEqual({ ...OLD.arangodb, 'root-password.new': login.password });

    down = false;
    made.failure = () => undefined;
    made.calls.length = 0;
    await run(made, 'arangodb/root-password');
    expect(made.calls.slice(0, 3)).toEqual(['PATCH /_api/user/root', 'GET /_api/user/root', 'replace arangodb']);
    expect(made.secrets.arangodb).toEqual({ ...OLD.arangodb, 'root-password': login.password });
  });

  test('is restored when the response of ArangoDB was lost', async () => {
    const made = cluster();
    const login = { password: 'old-root-value' };
    const known = account('root', login, ({ body }) => body.passwd);
    let lost = true;
    await withService(made, 'arangodb', (request) => {
      const answer = known(request);
      if (!lost) return answer;
      lost = false;
      return undefined;
    });
    expect(await errorOf(made, 'arangodb/root-password')).toContain('the old value is still valid');
    expect(login.password).toBe('old-root-value');
  });

  test('does not change when ArangoDB rejects the old password', async () => {
    const made = cluster();
    await withService(made, 'arangodb', () => ({ status: 401 }));
    expect(await errorOf(made, 'arangodb/root-password')).toBe(
      'arangodb rejects the value of arangodb/root-password, which was probably changed in arangodb only: put the right value into the Secret first\nthe old value is still valid; fix the cause and run the command again',
    );
    expect(made.secrets).toEqual(OLD);
  });

  test('does not change when ArangoDB does not exist', async () => {
    const made = cluster();
    expect(await errorOf(made, 'arangodb/root-password')).toBe(
      'cannot forward port arangodb of arangodb: services "arangodb" not found\nthe old value is still valid; fix the cause and run the command again',
    );
    expect(made.secrets).toEqual(OLD);
  });

  test('errors omit the response of ArangoDB', async () => {
    const made = cluster();
    await withService(made, 'arangodb', ({ body }) => ({ status: 400, body: { errorMessage: `no: ${body.passwd}` } }));
    expect(await errorOf(made, 'arangodb/root-password')).toMatch(
      /^arangodb returned 400 to the request to set root's password: see its log\n/,
    );
  });

  test('is stored when only the response of the API server was lost', async () => {
    const made = cluster();
    const login = { password: 'old-root-value' };
    await withService(
      made,
      'arangodb',
      account('root', login, ({ body }) => body.passwd),
    );
    const original = made.run.bind(made);
    made.run = async (args, call) => {
      const answer = await original(args, call);
      if (args[0] === 'replace' && made.calls.includes('PATCH /_api/user/root')) throw new UserError('it did not answer within 30 s');
      return answer;
    };
    await run(made, 'arangodb/root-password');
    expect(made.secrets.arangodb?.['root-password']).toBe(login.password);
  });
});
