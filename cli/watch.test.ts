import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Kubectl, type Listener } from './kubectl.ts';
import { watch } from './watch.ts';

let server: Server;
let pods: readonly string[];
let refusal: object | undefined;
/** The open watches of pods. */
let watches: ServerResponse[];
let killed: boolean;
const calls: (readonly string[])[] = [];

/** A kubectl whose proxy leads to `server`. */
class FakeKubectl extends Kubectl {
  override async listen(args: readonly string[]): Promise<Listener> {
    calls.push(args);
    const kill = () => {
      killed = true;
    };
    return { process: { kill } as unknown as Listener['process'], address: `127.0.0.1:${(server.address() as AddressInfo).port}` };
  }
}
const kubectl = new FakeKubectl('test', 'ns');
const pod = (name: string, more = {}) => ({ kind: 'Pod', metadata: { uid: name, name }, ...more });

beforeEach(async () => {
  [pods, refusal, watches, killed] = [['a', 'b'], undefined, [], false];
  calls.length = 0;
  server = createServer(({ url = '' }, response) => {
    if (refusal) response.writeHead(403).end(JSON.stringify(refusal));
    else if (url === '/api/v1/namespaces/ns/pods?watch=true&resourceVersion=7') watches.push(response.writeHead(200));
    else if (url === '/api/v1/namespaces/ns/pods') {
      const items = pods.map((name) => ({ ...pod(name), kind: undefined }));
      response.end(JSON.stringify({ kind: 'PodList', metadata: { resourceVersion: '7' }, items }));
    } else response.writeHead(404).end('{}');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

test('a watch starts with the existing objects and follows every change, also when an event comes in two parts', async () => {
  await watch(kubectl, { pods: 'api/v1' }, async (objects) => {
    expect(objects()).toEqual([pod('a'), pod('b')]);
    await vi.waitFor(() => expect(watches).toHaveLength(1));
    const line = (type: string, object: object) => `${JSON.stringify({ type, object })}\n`;
    watches[0]?.write(line('DELETED', pod('a')) + line('MODIFIED', pod('b', { status: 1 })) + line('ADDED', pod('c')).slice(0, 20));
    await vi.waitFor(() => expect(objects()).toEqual([pod('b', { status: 1 })]));
    watches[0]?.write(line('ADDED', pod('c')).slice(20));
    await vi.waitFor(() => expect(objects()).toEqual([pod('b', { status: 1 }), pod('c')]));
  });
  expect(killed).toBe(true);
});

test.each([
  ['ends', ''],
  ['is too old', `${JSON.stringify({ type: 'ERROR', object: { code: 410 } })}\n`],
])('a watch that %s starts again with the existing objects', async (_, end) => {
  await watch(kubectl, { pods: 'api/v1' }, async (objects) => {
    await vi.waitFor(() => expect(watches).toHaveLength(1));
    pods = ['d'];
    watches[0]?.end(end);
    await vi.waitFor(() => expect(objects()).toEqual([pod('d')]), 5000);
    await vi.waitFor(() => expect(watches).toHaveLength(2));
  });
});

test('a watch that the API server rejects ends with its message', async () => {
  refusal = { kind: 'Status', message: 'pods is forbidden: User "eve" cannot list resource "pods"', code: 403 };
  const never = () => new Promise<never>(() => {});
  await expect(watch(kubectl, { pods: 'api/v1' }, never)).rejects.toThrow(
    'cannot watch the cluster of context "test": pods is forbidden: User "eve" cannot list resource "pods"',
  );
  expect(killed).toBe(true);
});

test('the proxy only reads the watched resources', async () => {
  await watch(kubectl, { pods: 'api/v1' }, async () => {});
  expect(calls).toEqual([
    ['proxy', '--port=0', '--accept-paths=^(/api/v1/namespaces/ns/pods)$', '--reject-methods=^(POST|PUT|PATCH|DELETE)$'],
  ]);
});
