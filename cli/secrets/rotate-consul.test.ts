import { afterEach, describe, expect, test } from 'vitest';
import { UserError } from '../user-error.ts';
import { cluster, endRotation, errorOf, OLD, run, waits, withService } from './rotate-testing.ts';
import type { FakeRequest } from './testing.ts';

afterEach(endRotation);

describe('Consul', () => {
  /** A keyring with a primary key. */
  function ring(login = 'old-management-value') {
    const state: { keys: (string | undefined)[]; primary?: string } = {
      keys: ['old-gossip-value', 'left-over-value'],
      primary: 'old-gossip-value',
    };
    const answer = ({ request, body, login: who }: FakeRequest) => {
      if (who !== login) return { status: 403 };
      const verb = request.split(' ')[0];
      if (verb === 'POST') state.keys.push(body.Key);
      if (verb === 'PUT') state.primary = body.Key;
      if (verb === 'DELETE' && body.Key === state.primary) return { status: 500 };
      if (verb === 'DELETE') state.keys = state.keys.filter((key) => key !== body.Key);
      return { status: 200, body: [{ Keys: Object.fromEntries(state.keys.map((key) => [key, 1])) }] };
    };
    return { state, answer };
  }

  test('gets the gossip key installed, used and stored, and every other key removed', async () => {
    const made = cluster();
    const { state, answer } = ring();
    await withService(made, 'consul', answer);
    await run(made, 'consul/gossip-key');
    const path = '/v1/operator/keyring';
    expect(made.calls).toEqual([
      'replace consul',
      `POST ${path}`,
      `PUT ${path}`,
      'replace consul',
      `GET ${path}`,
      `DELETE ${path}`,
      `DELETE ${path}`,
    ]);
    const { 'gossip-key': key = '' } = made.secrets.consul ?? {};
    expect(state).toEqual({ keys: [key], primary: key });
    expect(Buffer.from(key, 'base64')).toHaveLength(32);
    expect(made.secrets.consul).toEqual({ ...OLD.consul, 'gossip-key': key });
  });

  test('uses the old gossip key again when the Secret cannot be written', async () => {
    const made = cluster();
    const { state, answer } = ring();
    await withService(made, 'consul', answer);
    made.failure = (call) => (call === 'replace consul' && made.calls.length > 1 ? new UserError('no more room') : undefined);
    expect(await errorOf(made, 'consul/gossip-key')).toContain('the old value is still valid');
    expect(state).toEqual({ keys: ['old-gossip-value', 'left-over-value'], primary: 'old-gossip-value' });
  });

  test('changes no key when it rejects the management token', async () => {
    const made = cluster();
    await withService(made, 'consul', ring('another').answer);
    expect(await errorOf(made, 'consul/gossip-key')).toBe(
      'consul returned 403 to the request to install the new key: see its log\nthe old value is still valid; fix the cause and run the command again',
    );
    expect(made.secrets).toEqual(OLD);
  });

  test('reads a management token at start, and then the new token deletes the old one', async () => {
    const made = cluster();
    const deleted: string[] = [];
    await withService(made, 'consul', ({ request, login }) => {
      const known =
        login === 'old-management-value' || (login === made.secrets.consul?.['management-token'] && made.calls.includes(RESTART));
      if (request.startsWith('DELETE')) deleted.push(login);
      return known ? { status: 200, body: { AccessorID: 'the-accessor' } } : { status: 403 };
    });
    const RESTART = 'rollout restart statefulset/consul';
    const steps = await run(made, 'consul/management-token');
    expect(made.calls).toEqual([
      'GET /v1/acl/token/self',
      'replace consul',
      RESTART,
      ...waits('statefulset/consul'),
      'GET /v1/acl/token/self',
      'DELETE /v1/acl/token/the-accessor',
    ]);
    expect(deleted).toEqual([made.secrets.consul?.['management-token']]);
    expect(steps.at(-1)).toBe('delete the old token, with the accessor the-accessor');
  });

  test('may need time to accept the management token', async () => {
    const made = cluster();
    let asked = 0;
    await withService(made, 'consul', () => (++asked === 2 ? { status: 403 } : { status: 200, body: { AccessorID: 'the-accessor' } }));
    await run(made, 'consul/management-token');
    expect(made.calls.slice(-3)).toEqual(['GET /v1/acl/token/self', 'GET /v1/acl/token/self', 'DELETE /v1/acl/token/the-accessor']);
  });

  test('deletes no management token when it rejects the old one', async () => {
    const made = cluster();
    await withService(made, 'consul', () => ({ status: 403 }));
    const steps = await run(made, 'consul/management-token');
    expect(steps.at(-1)).toBe('restart consul and wait');
  });
});
