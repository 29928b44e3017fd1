import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ApiError, contextOf, explain, Kubectl } from './kubectl.ts';

describe('an error of kubectl', () => {
  test('names the context of a cluster that does not respond', () => {
    const stderr =
      'E1124 12:00:00.1 7 memcache.go:265] "Unhandled Error" err="refused"\nThe connection to the server 127.0.0.1:6443 was refused - did you specify the right host or port?\n';
    expect(explain(stderr, 'kubectl get failed', 'kind-x')).toMatch(
      /^the cluster of context "kind-x" does not respond \(.*was refused.*\): check that it is running/,
    );
  });

  test('names the missing permission', () => {
    const stderr =
      'Error from server (Forbidden): pods is forbidden: User "eve" cannot list resource "pods" in API group "" in the namespace "platform-dev"\n';
    expect(explain(stderr, 'kubectl get failed', 'prod')).toBe(
      'you lack a permission in context "prod": pods is forbidden: User "eve" cannot list resource "pods" in API group "" in the namespace "platform-dev"',
    );
  });

  test('asks for a new login when the credentials are rejected', () => {
    expect(explain('error: You must be logged in to the server (Unauthorized)\n', 'kubectl get failed', 'prod')).toMatch(
      /rejected your credentials .*: log in again/,
    );
  });

  test('names the fields that another field manager has set', () => {
    const stderr =
      'error: Apply failed with 1 conflict: conflict with "kubectl" with subresource "scale" using apps/v1: .spec.replicas\nPlease review the fields above';
    expect(explain(stderr, 'kubectl apply failed')).toBe(
      'another field manager has set these fields: .spec.replicas (kubectl). Undo the change there, or overwrite it with --force',
    );
  });

  test('is passed on in one line otherwise', () => {
    expect(explain('Warning: something\nError from server (NotFound): services "redis" not found\n', 'kubectl get failed')).toBe(
      'kubectl get failed: services "redis" not found',
    );
    expect(explain('', 'kubectl get failed')).toBe('kubectl get failed: kubectl printed no reason');
  });
});

describe('a kubectl on PATH', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'kubectl-'));
    vi.stubEnv('PATH', `${folder}:${process.env.PATH}`);
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    vi.restoreAllMocks();
    rmSync(folder, { recursive: true });
  });
  const script = (text: string) => writeFileSync(join(folder, 'kubectl'), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  const kubectl = new Kubectl('kind-x', 'ns');

  test('gets the context, the namespace and standard input', async () => {
    script('echo "$@"; cat');
    expect(await kubectl.run(['get', 'pods'], { stdin: 'secret' })).toBe('--context kind-x --namespace ns get pods\nsecret');
  });

  test('fails with the reason of the API server', async () => {
    script(`echo 'Error from server (Conflict): the object has been modified' >&2; exit 1`);
    const error = await kubectl.run(['replace']).catch((thrown: Error) => thrown);
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({ reason: 'Conflict', message: 'kubectl replace failed: the object has been modified' });
  });

  test('fails after its time limit', async () => {
    script('exec sleep 10');
    await expect(kubectl.run(['get'], { seconds: 0.2 })).rejects.toThrow('context "kind-x" did not respond within 0.2 s');
  });

  test('passes warnings of the API server on only where they are wanted', async () => {
    const printed = vi.spyOn(console, 'error').mockImplementation(() => {});
    script(`echo 'Warning: deprecated' >&2`);
    await kubectl.run(['get']);
    expect(printed).not.toHaveBeenCalled();
    await kubectl.run(['apply'], { warn: true });
    expect(printed.mock.calls).toEqual([['Warning: deprecated']]);
  });

  test('forwards a port until the work is done, also when that fails', async () => {
    script(`echo "$@" >${folder}/args; echo $$ >${folder}/pid; echo 'Forwarding from 127.0.0.1:4711 -> 80'; exec sleep 10`);
    const isRunning = async () => (await import('node:child_process')).spawnSync('sh', ['-c', `kill -0 $(cat ${folder}/pid)`]).status === 0;
    const failing = kubectl.forward('redis', 'metrics', async (address) => {
      expect(address).toBe('127.0.0.1:4711');
      expect(await isRunning()).toBe(true);
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    await vi.waitFor(async () => expect(await isRunning()).toBe(false));
    script(`echo 'Error from server (NotFound): services "redis" not found' >&2; exit 1`);
    await expect(kubectl.forward('redis', 'metrics', async () => {})).rejects.toThrow(
      'cannot forward port metrics of redis: services "redis" not found',
    );
  });

  test('names its contexts when none is selected', async () => {
    script('[ "$2" = get-contexts ] && printf "a\\nb\\n" || exit 1');
    await expect(contextOf(undefined)).rejects.toThrow('no context is selected: give --context NAME, one of a, b');
    await expect(contextOf('c')).rejects.toThrow('the kubeconfig has no context "c": choose one of a, b');
    expect(await contextOf('a')).toBe('a');
  });
});
