import { type Cluster, eventually } from './cluster.ts';
import type { Proof } from './proof.ts';
import type { Sentinels } from './sentinels.ts';

/** Runs an action. Throws when it replaced the namespace, a disk or a Secret: an object with another uid is another object. */
export async function assertSameObjects(cluster: Cluster, action: () => Promise<unknown>): Promise<void> {
  const before = await uids(cluster);
  await action();
  if ((await uids(cluster)) !== before) throw new Error('the namespace, a disk or a Secret was removed or replaced');
}

async function uids({ kubectl, profile }: Cluster): Promise<string> {
  const objects = await kubectl.objects(['get', 'namespaces,persistentvolumeclaims,secrets']);
  const own = objects.filter(({ kind, metadata }) => kind !== 'Namespace' || metadata.name === profile.namespace);
  const lines = own.map(({ kind, metadata }) => `${kind} ${metadata.name} ${(metadata as { uid?: string }).uid}`);
  return lines.toSorted().join('\n');
}

export const reinstalls = (sentinels: Sentinels): readonly Proof[] => [
  {
    name: 'down, then up: no data is lost',
    async run(cluster) {
      const seconds: string[] = [];
      await assertSameObjects(cluster, async () => {
        for (const name of ['down', 'up']) seconds.push(`${name} ${((await cluster.command(name)).durationMs / 1000).toFixed(0)} s`);
      });
      await sentinels.assertKept(cluster);
      return seconds.join(', ');
    },
  },
  {
    name: 'kubectl delete -f dist/PROFILE, then kubectl apply: disks, Secrets and the namespace stay, and no data is lost',
    async run(cluster) {
      await assertSameObjects(cluster, async () => {
        await cluster.kubectl.run(['delete', '-f', `dist/${cluster.profile.name}`, '--timeout=180s'], { seconds: 200 });
        await eventually(async () => (await cluster.pods()).length === 0, 120, 'every pod is gone');
      });
      await cluster.applyFiles();
      await cluster.waitReady(180);
      await sentinels.assertKept(cluster);
      return 'nothing is lost';
    },
  },
];
