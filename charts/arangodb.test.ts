import { describe, expect, test } from 'vitest';
import { build } from '../build.ts';
import { profiles } from '../settings/index.ts';
import type { Settings } from './settings.ts';

/** Renders the settings; returns an object by kind and name. */
function objects(settings: Settings) {
  const { platform: all, findings } = build(settings);
  expect(findings).toEqual([]);
  return (kind: string, name: string) => all.find((each) => each.kind === kind && each.metadata.name.replace(/-[0-9a-f]{8}$/, '') === name);
}

test('Prometheus can find a server that is not ready', () => {
  expect(objects(profiles.dev)('Service', 'arangodb')?.spec).toMatchObject({ clusterIP: 'None', publishNotReadyAddresses: true });
});

test('the server runs in the group of the image’s files, and its disk has a group that no node uses', () => {
  const server = objects(profiles.dev)('StatefulSet', 'arangodb');
  expect(server?.spec.template.spec.securityContext).toMatchObject({ runAsUser: 10001, runAsGroup: 0, fsGroup: 10001 });
  expect(server?.metadata.annotations?.['kube-score/ignore']).toContain('container-security-context-user-group-id');
});

test('no Secret is a file in the server, where JavaScript could read it', () => {
  const { volumes } = objects(profiles.dev)('StatefulSet', 'arangodb')?.spec.template.spec ?? {};
  expect(volumes.map(({ name }: { name: string }) => name)).toEqual(['apps', 'tmp']);
});

test('database users cannot run JavaScript in the server', () => {
  const args: string[] = objects(profiles.dev)('StatefulSet', 'arangodb')?.spec.template.spec.containers[0].args;
  for (const option of ['javascript.transactions', 'javascript.tasks', 'javascript.user-defined-functions', 'foxx.api', 'foxx.queues'])
    expect(args).toContain(`--${option}=false`);
});

describe('3.12', () => {
  const { dev } = profiles;
  const images = { ...dev.images, arangodb: 'docker.io/library/arangodb:3.12.9' };
  const upgrading = objects({ ...dev, images, arangodb: { ...dev.arangodb, upgrade: true } });
  const served = objects({ ...dev, images });
  const alerts = (of: typeof served): string => of('ConfigMap', 'prometheus')?.data['rules.yaml'];

  test('the upgrade mounts the disk like the server, which is stopped, and ends', () => {
    const server = upgrading('StatefulSet', 'arangodb');
    const job = upgrading('Job', 'arangodb-upgrade');
    expect(server?.spec.replicas).toBe(0);
    const [serverPod, jobPod] = [server, job].map((each) => each?.spec.template.spec);
    expect(jobPod.securityContext).toEqual(serverPod.securityContext);
    const options = serverPod.containers[0].args.filter((arg: string) => !arg.startsWith('--server.endpoint='));
    expect(jobPod.containers[0].args).toEqual([...options, '--database.auto-upgrade=true']);
    expect(jobPod.containers[0].volumeMounts).toEqual(serverPod.containers[0].volumeMounts);
    expect(jobPod.volumes[0]).toEqual({ name: 'data', persistentVolumeClaim: { claimName: 'data-arangodb-0' } });
    expect(jobPod.restartPolicy).toBe('OnFailure');
  });

  test('no Service selects the upgrade', () => {
    const labels = upgrading('Job', 'arangodb-upgrade')?.spec.template.metadata.labels;
    expect(labels).not.toMatchObject(upgrading('Service', 'arangodb')?.spec.selector);
  });

  test('without the setting, the server runs and there is no upgrade Job', () => {
    expect(served('StatefulSet', 'arangodb')?.spec.replicas).toBe(1);
    expect(served('Job', 'arangodb-upgrade')).toBeUndefined();
  });

  test('an alert watches the limit of the Community Edition, and only there', () => {
    expect(alerts(served)).toContain(' > 85899345920');
    expect(alerts(objects({ ...dev, images, arangodb: { ...dev.arangodb, licensed: true } }))).not.toContain('85899345920');
    expect(alerts(objects(dev))).not.toContain('85899345920');
  });
});
