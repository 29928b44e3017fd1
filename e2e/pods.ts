import type { Sentinels } from './sentinels.ts';
import { assertKept } from './sentinels.ts';
import type { Step } from './step.ts';

/** Every pod, deleted once, one after another. */
export const eachPod = (sentinels: () => Sentinels): Step => ({
  name: 'each pod deleted, one after another: ready again, and nothing that was written is lost',
  async run(cluster) {
    const times: string[] = [];
    for (const { metadata } of await cluster.pods()) {
      await cluster.kubectl.run(['delete', 'pod', metadata.name], { seconds: 200 });
      const seconds = await cluster.settle(120);
      times.push(`${metadata.labels?.['app.kubernetes.io/instance'] ?? metadata.name} ${seconds.toFixed(0)} s`);
    }
    await assertKept(cluster, sentinels());
    return times.join(', ');
  },
});

/** All of them at once, as when a node is gone. */
export const allPods = (sentinels: () => Sentinels): Step => ({
  name: 'every pod killed at once: ready again, and nothing that was written is lost',
  extra: true,
  async run(cluster) {
    await cluster.kubectl.run(['delete', 'pods', '--all', '--grace-period=0', '--force'], { seconds: 120 });
    const seconds = await cluster.settle(240);
    await assertKept(cluster, sentinels());
    return `ready again after ${seconds.toFixed(0)} s`;
  },
});
