import { INSTANCE } from './cluster.ts';
import type { Proof } from './proof.ts';
import type { Sentinels } from './sentinels.ts';

export const eachPod = (sentinels: Sentinels): Proof => ({
  name: 'each pod deleted in turn: it is ready again, and no data is lost',
  async run(cluster) {
    const times: string[] = [];
    for (const { metadata } of await cluster.pods()) {
      await cluster.kubectl.run(['delete', 'pod', metadata.name], { seconds: 200 });
      const seconds = await cluster.waitReady();
      times.push(`${metadata.labels?.[INSTANCE] ?? metadata.name} ${seconds.toFixed(0)} s`);
    }
    await sentinels.assertKept(cluster);
    return times.join(', ');
  },
});

export const allPods = (sentinels: Sentinels): Proof => ({
  name: 'every pod killed at once, as with their node: all are ready again, and no data is lost',
  onlyWithAll: true,
  async run(cluster) {
    await cluster.kill('--all');
    const seconds = await cluster.waitReady(240);
    await sentinels.assertKept(cluster);
    return `ready again after ${seconds.toFixed(0)} s`;
  },
});
