import { App } from 'cdk8s';
import { expect, test } from 'vitest';
import { manifests } from '../lib/render.ts';
import { profiles, type Settings } from '../settings/index.ts';
import { platform } from './index.ts';

/** The objects of the settings by kind and name; throws what a rule finds. */
function build(settings: Settings) {
  const app = new App();
  platform(app, settings);
  expect(app.node.validate()).toEqual([]);
  const all = [...manifests(app).values()].flat();
  return (kind: string, name: string) => all.find((each) => each.kind === kind && each.metadata.name.replace(/-[0-9a-f]{8}$/, '') === name);
}

test('a server that is not ready is found, so that Prometheus sees what ails it', () => {
  expect(build(profiles.dev)('Service', 'arangodb')?.spec).toMatchObject({ clusterIP: 'None', publishNotReadyAddresses: true });
});

test('it runs in the group that the image’s files are for, and its disk in one that no node has', () => {
  const server = build(profiles.dev)('StatefulSet', 'arangodb');
  expect(server?.spec.template.spec.securityContext).toMatchObject({ runAsUser: 10001, runAsGroup: 0, fsGroup: 10001 });
  expect(server?.metadata.annotations?.['kube-score/ignore']).toContain('container-security-context-user-group-id');
});

test('no Secret is a file that JavaScript in the server could read', () => {
  const { volumes } = build(profiles.dev)('StatefulSet', 'arangodb')?.spec.template.spec ?? {};
  expect(volumes.map(({ name }: { name: string }) => name)).toEqual(['apps', 'tmp']);
});

test('no user of a database may run JavaScript in it', () => {
  const args: string[] = build(profiles.dev)('StatefulSet', 'arangodb')?.spec.template.spec.containers[0].args;
  for (const way of ['javascript.transactions', 'javascript.tasks', 'javascript.user-defined-functions', 'foxx.api', 'foxx.queues'])
    expect(args).toContain(`--${way}=false`);
});
