import type { Marks } from './marks.ts';
import { assertKept } from './marks.ts';
import type { Step } from './step.ts';

/** Every pod, deleted once, one after another. */
export const eachPod = (marks: () => Marks): Step => ({
  name: 'each pod deleted, one after another: ready again, and nothing that was written is lost',
  async run(cluster) {
    const times: string[] = [];
    for (const { metadata } of await cluster.pods()) {
      await cluster.kubectl.run(['delete', 'pod', metadata.name], { seconds: 200 });
      const seconds = await cluster.settle(120);
      times.push(`${metadata.labels?.['app.kubernetes.io/instance'] ?? metadata.name} ${seconds.toFixed(0)} s`);
    }
    await assertKept(cluster, marks());
    return times.join(', ');
  },
});

/** All of them at once, as when a node is gone. */
export const allPods = (marks: () => Marks): Step => ({
  name: 'every pod killed at once: ready again, and nothing that was written is lost',
  extra: true,
  async run(cluster) {
    await cluster.kubectl.run(['delete', 'pods', '--all', '--grace-period=0', '--force'], { seconds: 120 });
    const seconds = await cluster.settle(240);
    await assertKept(cluster, marks());
    return `ready again after ${seconds.toFixed(0)} s`;
  },
});
