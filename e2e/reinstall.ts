import { type Cluster, eventually, run } from './cluster.ts';
import type { Sentinels } from './sentinels.ts';
import { assertKept } from './sentinels.ts';
import type { Step } from './step.ts';

/** What survives an uninstall: its uids before and after are the same. */
export async function kept(cluster: Cluster): Promise<string> {
  const objects = await cluster.kubectl.objects(['get', 'namespaces,persistentvolumeclaims,secrets']);
  const mine = objects.filter(({ kind, metadata }) => kind !== 'Namespace' || metadata.name === cluster.profile.namespace);
  return mine
    .map(({ kind, metadata }) => `${kind} ${metadata.name} ${(metadata as { uid?: string }).uid}`)
    .toSorted()
    .join('\n');
}

/** Stopped by the command, and by kubectl alone. */
export const reinstall = (sentinels: () => Sentinels): readonly Step[] => [
  {
    name: 'down, then up: the data is there',
    async run(cluster) {
      const before = await kept(cluster);
      const down = await cluster.must('down');
      const up = await cluster.must('up');
      if ((await kept(cluster)) !== before) throw new Error('a disk, a Secret or the namespace is another one than before');
      await assertKept(cluster, sentinels());
      return `down ${down.seconds.toFixed(0)} s, up ${up.seconds.toFixed(0)} s`;
    },
  },
  {
    name: 'kubectl delete -f dist/PROFILE, then kubectl apply: disks, Secrets and namespace stay, and the data is there',
    async run(cluster) {
      const before = await kept(cluster);
      const folder = `dist/${cluster.profile.name}`;
      const deleted = await run('kubectl', ['--context', cluster.kubectl.context, 'delete', '-f', folder, '--timeout=180s']);
      if (deleted.status !== 0) throw new Error(deleted.said);
      await eventually(async () => (await cluster.pods()).length === 0, 120, 'every pod is gone');
      if ((await kept(cluster)) !== before) throw new Error('a disk, a Secret or the namespace went with it');
      await cluster.applyFiles();
      await cluster.settle(180);
      await assertKept(cluster, sentinels());
      return 'they do';
    },
  },
];
