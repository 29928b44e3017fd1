import assert from 'node:assert/strict';
import { find, type Manifests } from './manifests.ts';
import type { Pod } from './pod.ts';
import type { Sandbox } from './sandbox.ts';

/** A key that the app may write. */
export const KEY = '/v1/kv/app/kept';

/** The number of servers in the profile. */
const size = (manifests: Manifests): number => find(manifests, 'StatefulSet', 'consul').spec.replicas;

/** Whether the servers can lose one and still have a majority. */
export const toleratesLoss = (manifests: Manifests) => size(manifests) > 1;

/** Every server, ready. */
export async function startServers(sandbox: Sandbox) {
  const pods = Array.from({ length: size(sandbox.manifests) }, (_, ordinal) => sandbox.pod('consul', ordinal));
  const members = pods.map((pod) => ({ pod, server: pod.start() }));
  await Promise.all(pods.map((pod) => pod.waitFor('readiness', 60)));
  const [first, last] = [members[0], members.at(-1)];
  assert.ok(first && last, 'the profile has no server');
  return { first: first.pod, last, pods, members };
}

/** Every server, ready, with policies and tokens. */
export async function startWithTokens(sandbox: Sandbox) {
  const cluster = await startServers(sandbox);
  await sandbox.pod('consul-acl').complete();
  return cluster;
}

/** Sends one request to a server. */
export async function request(pod: Pod, token: string | undefined, method: string, path: string, body?: string) {
  const headers = new Headers(token === undefined ? {} : { 'X-Consul-Token': token });
  const init = { method, headers, signal: AbortSignal.timeout(20_000), ...(body !== undefined && { body }) };
  const response = await pod.fetch('consul', path, init);
  return { status: response.status, text: await response.text() };
}

/** A function that sends requests with one of the Secret's tokens, and throws unless the status is 200. */
export function client(sandbox: Sandbox, key: string) {
  return async (pod: Pod, method: string, path: string, body?: string) => {
    const { status, text } = await request(pod, sandbox.secrets.get('consul', key), method, path, body);
    assert.equal(status, 200, `${method} ${path} with the ${key} returned ${status}: ${text}`);
    return text;
  };
}

const status = async (pod: Pod, path: string) => JSON.parse((await request(pod, undefined, 'GET', `/v1/status/${path}`)).text);

/** The number of servers in the cluster, as one server reports it. */
export const peers = async (pod: Pod): Promise<number> => (await status(pod, 'peers')).length;

/** The address of the leader, as one server reports it; empty without a leader. */
export const leader = (pod: Pod): Promise<string> => status(pod, 'leader');
