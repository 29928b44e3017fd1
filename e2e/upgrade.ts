import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Cluster, eventually, run } from './cluster.ts';
import { kept } from './reinstall.ts';
import { assertKept, write } from './sentinels.ts';
import type { Step } from './step.ts';

/** From the newest release before this commit. Empty while there is none: then nothing is there to upgrade from. */
export async function upgrades(): Promise<readonly Step[]> {
  const { status, said } = await run('git', ['describe', '--tags', '--match=v*', '--abbrev=0', 'HEAD^']);
  return status === 0 ? [upgrade(said.trim())] : [];
}

const upgrade = (tag: string): Step => ({
  name: `from ${tag} to this: nothing is refused, no disk is replaced, and the data is there`,
  async run(cluster) {
    await cluster.purge();
    const former = mkdtempSync(join(tmpdir(), 'release-'));
    try {
      const { status, said } = await run('sh', ['-c', 'git archive "$0" dist | tar -x -C "$1"', tag, former]);
      if (status !== 0) throw new Error(said);
      await cluster.applyFiles(join(former, 'dist'));
      // Its pods wait for them.
      await cluster.must('secrets');
      await eventually(() => serves(cluster), 180, `everything of ${tag} serves`);
      const sentinels = await write(cluster);
      const before = await kept(cluster);
      await cluster.must('up');
      if ((await kept(cluster)) !== before) throw new Error('a disk, a Secret or the namespace is another one than before');
      await assertKept(cluster, sentinels);
      return 'as it should be';
    } finally {
      rmSync(former, { recursive: true, force: true });
    }
  },
});

/** Whether all that runs in the namespace serves, whatever its names are, and its Jobs have ended well. */
async function serves({ kubectl }: Cluster): Promise<boolean> {
  const objects = await kubectl.objects(['get', 'statefulsets,deployments,jobs']);
  return objects.every(({ kind, spec, status }) => (kind === 'Job' ? status.succeeded >= 1 : status.readyReplicas === spec.replicas));
}
