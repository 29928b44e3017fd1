import { run } from './cluster.ts';
import type { Proof } from './proof.ts';

/** A GitOps controller is a second server-side applier: fields that the API server defaults would conflict. */
export const twoManagers: Proof = {
  name: 'dev and prod applied again by a second field manager: no conflict',
  async run({ kubectl: { context } }) {
    const counts: string[] = [];
    await apply(context, 'platform', 'crds');
    for (const name of ['dev', 'prod']) {
      const folder = `dist/${name}`;
      await apply(context, 'platform', `${folder}/setup`);
      await apply(context, 'platform', folder, '--recursive');
      counts.push(`${name} ${await apply(context, 'second', folder, '--recursive', '--dry-run=server')} objects`);
    }
    // No other proof uses dev on this cluster.
    await run('kubectl', ['--context', context, 'delete', '--recursive', '-f', 'dist/dev', '--wait=false']);
    return counts.join(', ');
  },
};

/** Applies a folder. @returns the number of objects */
async function apply(context: string, manager: string, folder: string, ...options: readonly string[]): Promise<number> {
  const args = ['--context', context, 'apply', '--server-side', `--field-manager=${manager}`, '-f', folder, ...options];
  const { all } = await run('kubectl', args);
  return all.match(/serverside-applied/g)?.length ?? 0;
}
