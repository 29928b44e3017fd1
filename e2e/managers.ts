import { Cluster, run } from './cluster.ts';
import type { Step } from './step.ts';

/** A second server-side applier, as a GitOps controller beside `up` is one. Fields whose default the API server adds would conflict. */
export const twoManagers: Step = {
  name: 'dev and prod applied again by a second field manager: no conflict',
  async run({ kubectl: { context } }) {
    const counts: string[] = [];
    await apply(context, 'platform', 'crds');
    for (const name of ['dev', 'prod']) {
      const { profile } = new Cluster(context, name);
      const folder = `dist/${profile.name}`;
      await apply(context, 'platform', `${folder}/setup`);
      await apply(context, 'platform', folder, '--recursive');
      const applied = await apply(context, 'second', folder, '--recursive', '--dry-run=server');
      counts.push(`${name} ${applied} objects`);
    }
    // Of dev, this cluster is asked nothing else.
    await run('kubectl', ['--context', context, 'delete', '--recursive', '-f', 'dist/dev', '--wait=false']);
    return counts.join(', ');
  },
};

/** Applies a folder as the field manager. @returns the number of objects. Throws what the API server refused. */
async function apply(context: string, manager: string, folder: string, ...options: readonly string[]): Promise<number> {
  const args = ['--context', context, 'apply', '--server-side', `--field-manager=${manager}`, '-f', folder, ...options];
  const { status, said } = await run('kubectl', args);
  if (status !== 0) throw new Error(`${folder}, applied by ${manager}: ${said.trim()}`);
  return said.match(/serverside-applied/g)?.length ?? 0;
}
