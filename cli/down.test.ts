import { expect, test } from 'vitest';
import type { Manifest } from '../lib/render.ts';
import { deleteObjects } from './down.ts';
import type { Kubectl } from './kubectl.ts';
import { profileOf } from './profile.ts';

test('it deletes all objects that hold no data, and the Jobs of every release by the labels of the settings', async () => {
  const dev = profileOf('dev');
  const labels = { ...dev.settings.shared.labels, 'app.kubernetes.io/part-of': 'other', 'app.kubernetes.io/managed-by': 'us' };
  const profile = { ...dev, settings: { ...dev.settings, shared: { ...dev.settings.shared, labels } } };
  const calls: { readonly args: readonly string[]; readonly stdin?: string }[] = [];
  const kubectl = {
    async run(args: readonly string[], call: { readonly stdin?: string } = {}) {
      calls.push({ args, ...call });
      return args[1] === 'jobs' ? '' : 'service/redis\nnamespace/x';
    },
  } as unknown as Kubectl;
  expect(await deleteObjects(kubectl, profile)).toEqual(['service/redis', 'namespace/x']);
  const kinds = JSON.parse(calls[0]?.stdin ?? '').items.map(({ kind }: Manifest) => kind);
  expect(kinds).toEqual(expect.arrayContaining(['StatefulSet', 'Deployment', 'Job', 'Service', 'ConfigMap', 'NetworkPolicy']));
  expect(kinds).not.toContain('PersistentVolumeClaim');
  expect(kinds).not.toContain('Namespace');
  expect(kinds.length).toBe([...dev.objects, ...dev.smoke].filter(({ kind }) => !/Claim|Namespace/.test(kind)).length);
  expect(calls[1]?.args).toContain('--selector=app.kubernetes.io/part-of=other,app.kubernetes.io/managed-by=us');
});
