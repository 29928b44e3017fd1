import { expect, test } from 'vitest';
import { explain } from './kubectl.ts';

test('a cluster that does not answer is named by its context', () => {
  const said =
    'E1124 12:00:00.1 7 memcache.go:265] "Unhandled Error" err="refused"\nThe connection to the server 127.0.0.1:6443 was refused - did you specify the right host or port?\n';
  expect(explain(said, 'kubectl get failed', 'kind-x')).toMatch(
    /^the cluster of context "kind-x" does not answer \(.*was refused.*\): is it running/,
  );
});

test('who may not is told so', () => {
  const said =
    'Error from server (Forbidden): pods is forbidden: User "eve" cannot list resource "pods" in API group "" in the namespace "platform-dev"\n';
  expect(explain(said, 'kubectl get failed', 'prod')).toBe(
    'you may not do this in context "prod": pods is forbidden: User "eve" cannot list resource "pods" in API group "" in the namespace "platform-dev"',
  );
});

test('who is not known is told to log in', () => {
  expect(explain('error: You must be logged in to the server (Unauthorized)\n', 'kubectl get failed', 'prod')).toMatch(
    /does not know you .*: log in again/,
  );
});

test('any other complaint is passed on in one line', () => {
  expect(explain('Warning: something\nError from server (NotFound): services "redis" not found\n', 'kubectl get failed')).toBe(
    'kubectl get failed: services "redis" not found',
  );
  expect(explain('', 'kubectl get failed')).toBe('kubectl get failed: kubectl says nothing more');
});

test('fields that somebody else owns are named, with who it is', () => {
  const said =
    'error: Apply failed with 1 conflict: conflict with "kubectl" with subresource "scale" using apps/v1: .spec.replicas\nPlease review the fields above';
  expect(explain(said, 'kubectl apply failed')).toBe(
    'somebody else has set what this sets too: .spec.replicas (kubectl). Give it up there, or take it back with --force',
  );
});
