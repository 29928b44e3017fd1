import { afterEach, describe, expect, test } from 'vitest';
import { UserError } from '../user-error.ts';
import { rotate } from './rotate.ts';
import { account, cluster, endRotation, errorOf, OLD, run, withService } from './rotate-testing.ts';
import { dev } from './testing.ts';

afterEach(endRotation);

describe("Grafana's admin", () => {
  test('is changed in Grafana, then in the Secret, without a restart', async () => {
    const made = cluster();
    const login = { password: 'old-admin-value' };
    await withService(
      made,
      'grafana',
      account('admin', login, ({ body }) => {
        expect(body.oldPassword).toBe('old-admin-value');
        return body.newPassword;
      }),
    );
    await run(made, 'grafana/admin-password');
    expect(made.calls).toEqual(['replace grafana', 'PUT /api/user/password', 'replace grafana']);
    expect(made.secrets.grafana).toEqual({ ...OLD.grafana, 'admin-password': login.password });
  });

  test('is restored when the Secret cannot be written', async () => {
    const made = cluster();
    const login = { password: 'old-admin-value' };
    await withService(
      made,
      'grafana',
      account('admin', login, ({ body }) => body.newPassword),
    );
    made.failure = (call) =>
      call === 'replace grafana' && made.calls.includes('PUT /api/user/password') ? new UserError('no more room') : undefined;
    expect(await errorOf(made, 'grafana/admin-password')).toContain('the old value is still valid');
    expect(login.password).toBe('old-admin-value');
  });

  test('may have been changed by an earlier attempt', async () => {
    const made = cluster();
    made.secrets.grafana = { ...OLD.grafana, 'admin-password.new': 'kept-value' };
    await withService(
      made,
      'grafana',
      account('admin', { password: 'kept-value' }, () => 'never'),
    );
    await run(made, 'grafana/admin-password');
    expect(made.calls).toEqual(['PUT /api/user/password', 'GET /api/user', 'replace grafana']);
    expect(made.secrets.grafana).toEqual({ ...OLD.grafana, 'admin-password': 'kept-value' });
  });

  test('of an earlier attempt stays in the Secret when Grafana rejects every login', async () => {
    const made = cluster();
    made.secrets.grafana = { ...OLD.grafana, 'admin-password.new': 'kept-value' };
    await withService(made, 'grafana', () => ({ status: 401 }));
    expect(await errorOf(made, 'grafana/admin-password')).toContain('grafana rejects the value of grafana/admin-password');
    expect(made.secrets.grafana['admin-password.new']).toBe('kept-value');
  });

  test.each([
    ['at once', 'old-admin-value'],
    ['by the first of the two logins', 'another-value'],
  ])('that is locked, %s, has to wait', async (_, password) => {
    const made = cluster();
    let wrong = password === 'old-admin-value' ? 5 : 4;
    await withService(made, 'grafana', ({ login }) => {
      if (wrong >= 5) return { status: 401, body: { message: 'Invalid username or password', messageId: 'login-attempt.blocked' } };
      if (login === `admin:${password}`) return { status: 200 };
      wrong += 1;
      return { status: 401, body: { message: 'Invalid username or password', messageId: 'password-auth.failed' } };
    });
    expect(await errorOf(made, 'grafana/admin-password')).toBe(
      'Grafana has locked the user admin: five wrong logins within five minutes lock a user for five minutes. Wait five minutes\nthe old value is still valid; fix the cause and run the command again',
    );
    expect(made.secrets).toEqual(OLD);
  });

  test('should not be retried often when Grafana rejects the old password', async () => {
    const made = cluster();
    await withService(made, 'grafana', () => ({ status: 401, body: { messageId: 'password-auth.failed' } }));
    expect(await errorOf(made, 'grafana/admin-password')).toMatch(
      /^grafana rejects the value .* put the right value into the Secret first\. Do not retry often: five wrong logins .* lock a user/,
    );
  });

  test('may leave sessions open', async () => {
    const plan = rotate(cluster(), dev, 'grafana/admin-password', { given: new Map(), yes: false, log: () => {} });
    await expect(plan).rejects.toThrow('Nothing restarts. Open sessions may stay valid; "log out of all devices" in Grafana ends them.');
  });

  test('is the only key of Grafana that rotates', async () => {
    const made = cluster();
    expect(await errorOf(made, 'grafana/secret-key')).toBe(
      'grafana/secret-key cannot be rotated: everything that Grafana has encrypted with it, such as data source credentials, would be unreadable forever. To start over, delete the disk of Grafana together with its Secret',
    );
    expect(made.calls).toEqual([]);
  });
});
