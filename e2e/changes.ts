import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Cluster, watch } from './cluster.ts';
import { copy, edit } from './project.ts';
import type { Step } from './step.ts';

/** One setting changed, and the workloads that read it. */
interface SettingChange {
  readonly what: string;
  readonly file: string;
  readonly from: string;
  readonly to: string | ((cluster: Cluster) => Promise<string>);
  /** Instances whose pods are replaced: these and no other. */
  readonly rolls: readonly string[];
}

const changes: readonly SettingChange[] = [
  { what: 'a config value', file: 'settings/index.ts', from: "debug: 'basic'", to: "debug: 'normal'", rolls: ['otel-collector-0'] },
  { what: 'an image', file: 'settings/images.ts', from: 'docker.io/grafana/grafana:13.2.3', to: pinned, rolls: ['grafana'] },
  {
    what: 'a memory size',
    file: 'settings/index.ts',
    from: 'millis(100), mebibytes(448)',
    to: 'millis(100), mebibytes(480)',
    rolls: ['tempo'],
  },
  {
    what: 'a number of replicas',
    file: 'settings/index.ts',
    from: "queues: ['celery', 'slow'], replicas: 1",
    to: "queues: ['celery', 'slow'], replicas: 2",
    rolls: [],
  },
  {
    what: "the app's version",
    file: 'settings/index.ts',
    from: "version: '1.0.0' },",
    to: "version: '1.0.1' },",
    rolls: ['celery-beat', 'celery-worker-default'],
  },
];

/** The same image by its digest, which the node tells: another name, another pod, the same bytes. */
async function pinned({ kubectl }: Cluster): Promise<string> {
  const nodes = await kubectl.objects(['get', 'nodes']);
  const names: readonly string[] = nodes.flatMap(({ status }) =>
    (status.images ?? []).flatMap((image: { names?: string[] }) => image.names ?? []),
  );
  const digest = names.find((name) => name.startsWith('docker.io/grafana/grafana@'));
  if (!digest) throw new Error('the nodes do not tell the digest of the image grafana');
  return `docker.io/grafana/grafana:13.2.3@${digest.split('@')[1]}`;
}

/** Changes one setting of each kind, one after another, and sees exactly the pods roll that read it. */
export const oneChange: Step = {
  name: 'one setting of each kind changed: exactly the pods that read it roll, and beat never runs twice',
  async run(cluster) {
    const told: string[] = [];
    const project = copy();
    try {
      for (const { what, file, from, to, rolls } of changes) {
        edit(join(project, file), from, typeof to === 'string' ? to : await to(cluster));
        const before = await uids(cluster);
        const watching = watch(() => beats(cluster));
        await cluster.must('up', [], project);
        const most = Math.max(...(await watching.end()));
        if (most > 1) throw new Error(`${what}: ${most} pods of beat ran at the same time`);
        const after = await uids(cluster);
        const gone = [...before].filter(([uid]) => !after.has(uid));
        const rolled = [...new Set(gone.map(([, instance]) => instance))];
        if (rolled.toSorted().join() !== rolls.join()) {
          throw new Error(`${what}: ${rolled.join(', ') || 'nothing'} rolled, and ${rolls.join(', ') || 'nothing'} reads it`);
        }
        told.push(`${what}: ${rolled.join(', ') || 'none'}`);
      }
    } finally {
      rmSync(project, { recursive: true, force: true });
    }
    await cluster.must('up');
    await cluster.settle();
    return told.join(' · ');
  },
};

/** The pods that stay, and the workload of each: one that ends is gone already. */
async function uids(cluster: Cluster): Promise<ReadonlyMap<string, string>> {
  const pods = (await cluster.pods()).filter(({ metadata }) => !('deletionTimestamp' in metadata));
  return new Map(
    pods.map(({ metadata }) => [(metadata as { uid?: string }).uid ?? '', metadata.labels?.['app.kubernetes.io/instance'] ?? '']),
  );
}

/** How many pods of beat have a container that runs. */
async function beats({ kubectl }: Cluster): Promise<number> {
  const pods = await kubectl.objects(['get', 'pods', '--selector=app.kubernetes.io/name=celery-beat']);
  return pods.filter(({ status }) => status.containerStatuses?.some(({ state }: { state: { running?: object } }) => state.running)).length;
}
