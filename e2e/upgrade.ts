import { execa } from 'execa';
import { type Cluster, eventually, run } from './cluster.ts';
import { withFolder } from './project.ts';
import type { Proof } from './proof.ts';
import { assertSameObjects } from './reinstall.ts';
import type { Sentinels } from './sentinels.ts';

/** The upgrade from the newest release before this commit. Empty before the first release. */
export async function upgrades(sentinels: Sentinels): Promise<readonly Proof[]> {
  const { exitCode, stdout } = await execa('git', ['describe', '--tags', '--match=v*', '--abbrev=0', 'HEAD^'], { reject: false });
  return exitCode === 0 ? [upgrade(stdout, sentinels)] : [];
}

const upgrade = (tag: string, sentinels: Sentinels): Proof => ({
  name: `upgrade from ${tag}: nothing is refused, no disk is replaced, and no data is lost`,
  async run(cluster) {
    await cluster.purge();
    await withFolder(async (release) => {
      await run('sh', ['-c', 'git archive "$0" dist | tar -x -C "$1"', tag, release]);
      await cluster.applyFiles(`${release}/dist`);
      // The release's pods wait for their Secrets.
      await cluster.command('secrets');
      await eventually(() => isServing(cluster), 180, `every workload of ${tag} is ready`);
      await sentinels.write(cluster);
      await assertSameObjects(cluster, () => cluster.command('up'));
      await sentinels.assertKept(cluster);
    });
    return 'nothing is lost';
  },
});

/** Reports whether all workloads in the namespace are ready and all Jobs complete, whatever their names. */
async function isServing({ kubectl }: Cluster): Promise<boolean> {
  const objects = await kubectl.objects(['get', 'statefulsets,deployments,jobs']);
  return objects.every(({ kind, spec, status }) => (kind === 'Job' ? status.succeeded >= 1 : status.readyReplicas === spec.replicas));
}
