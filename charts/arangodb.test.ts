import { describe, expect, test } from 'vitest';
import { build } from '../build.ts';
import { profiles } from '../settings/index.ts';
import type { Settings } from './settings.ts';

/** Looks up an object of the settings by kind and name. */
function objects(settings: Settings) {
  const { platform: all, findings } = build(settings);
  expect(findings).toEqual([]);
  return (kind: string, name: string) => all.find((each) => each.kind === kind && each.metadata.name.replace(/-[0-9a-f]{8}$/, '') === name);
}

test('a server that is not ready is found, so that Prometheus sees what ails it', () => {
  expect(objects(profiles.dev)('Service', 'arangodb')?.spec).toMatchObject({ clusterIP: 'None', publishNotReadyAddresses: true });
});

test('it runs in the group that the image’s files are for, and its disk in one that no node has', () => {
  const server = objects(profiles.dev)('StatefulSet', 'arangodb');
  expect(server?.spec.template.spec.securityContext).toMatchObject({ runAsUser: 10001, runAsGroup: 0, fsGroup: 10001 });
  expect(server?.metadata.annotations?.['kube-score/ignore']).toContain('container-security-context-user-group-id');
});

test('no Secret is a file that JavaScript in the server could read', () => {
  const { volumes } = objects(profiles.dev)('StatefulSet', 'arangodb')?.spec.template.spec ?? {};
  expect(volumes.map(({ name }: { name: string }) => name)).toEqual(['apps', 'tmp']);
});

test('no user of a database may run JavaScript in it', () => {
  const args: string[] = objects(profiles.dev)('StatefulSet', 'arangodb')?.spec.template.spec.containers[0].args;
  for (const way of ['javascript.transactions', 'javascript.tasks', 'javascript.user-defined-functions', 'foxx.api', 'foxx.queues'])
    expect(args).toContain(`--${way}=false`);
});

describe('3.12', () => {
  const { dev } = profiles;
  const images = { ...dev.images, arangodb: 'docker.io/library/arangodb:3.12.9' };
  const upgrading = objects({ ...dev, images, arangodb: { ...dev.arangodb, upgrade: true } });
  const served = objects({ ...dev, images });
  const alerts = (of: typeof served): string => of('ConfigMap', 'prometheus')?.data['rules.yaml'];

  test('the upgrade has the disk for itself, as the server would have it, and ends', () => {
    const server = upgrading('StatefulSet', 'arangodb');
    const job = upgrading('Job', 'arangodb-upgrade');
    expect(server?.spec.replicas).toBe(0);
    const [mine, its] = [server, job].map((each) => each?.spec.template.spec);
    expect(its.securityContext).toEqual(mine.securityContext);
    expect(its.containers[0].args).toEqual([...mine.containers[0].args, '--database.auto-upgrade=true']);
    expect(its.containers[0].volumeMounts).toEqual(mine.containers[0].volumeMounts);
    expect(its.volumes[0]).toEqual({ name: 'data', persistentVolumeClaim: { claimName: 'data-arangodb-0' } });
    expect(its.restartPolicy).toBe('OnFailure');
  });

  test('no Service leads to the upgrade', () => {
    const labels = upgrading('Job', 'arangodb-upgrade')?.spec.template.metadata.labels;
    expect(labels).not.toMatchObject(upgrading('Service', 'arangodb')?.spec.selector);
  });

  test('once the setting is gone the server is back, and so is no Job', () => {
    expect(served('StatefulSet', 'arangodb')?.spec.replicas).toBe(1);
    expect(served('Job', 'arangodb-upgrade')).toBeUndefined();
  });

  test('an alert comes before the limit of the Community Edition, and only with it', () => {
    expect(alerts(served)).toContain(' > 85899345920');
    expect(alerts(objects({ ...dev, images, arangodb: { ...dev.arangodb, licensed: true } }))).not.toContain('85899345920');
    expect(alerts(objects(dev))).not.toContain('85899345920');
  });
});
