import { images } from '../settings/images.ts';
import { type Cluster, INSTANCE, sampleDuring } from './cluster.ts';
import { override, withCopy } from './project.ts';
import type { Proof } from './proof.ts';

/** A changed setting, and the workloads whose pods it replaces. */
interface SettingChange {
  readonly kind: string;
  readonly override: string | ((cluster: Cluster) => Promise<string>);
  readonly rolls: readonly string[];
}

const changes: readonly SettingChange[] = [
  { kind: 'a config value', override: "otelCollector: { ...dev.otelCollector, debug: 'normal' }", rolls: ['otel-collector-0'] },
  { kind: 'an image', override: pinnedGrafana, rolls: ['grafana'] },
  {
    kind: 'a memory size',
    override:
      'tempo: { ...dev.tempo, resources: { ...dev.tempo.resources, memory: Size.mebibytes(dev.tempo.resources.memory.toMebibytes() + 32) } }',
    rolls: ['tempo'],
  },
  { kind: 'a number of replicas', override: 'celeryWorker: { pools: [{ ...dev.celeryWorker.pools[0], replicas: 2 }] }', rolls: [] },
  {
    kind: "the app's version",
    override: 'app: { ...dev.app, version: `${dev.app.version}-e2e` }',
    rolls: ['celery-beat', 'celery-worker-default'],
  },
];

/** Names Grafana's image by its digest, as the node reports it: a different pod template, the same bytes. */
async function pinnedGrafana({ kubectl }: Cluster): Promise<string> {
  const nodes = await kubectl.objects(['get', 'nodes']);
  const names: readonly string[] = nodes.flatMap(({ status }) =>
    (status.images ?? []).flatMap((image: { names?: string[] }) => image.names ?? []),
  );
  const [repository] = images.grafana.split(':');
  const digest = names.find((name) => name.startsWith(`${repository}@`))?.split('@')[1];
  if (!digest) throw new Error(`the nodes report no digest of ${repository}`);
  return `images: { ...images, grafana: '${images.grafana}@${digest}' }`;
}

export const settingChanges: Proof = {
  name: 'one setting of each kind changed: exactly the pods that read it are replaced, and beat never runs twice',
  async run(cluster) {
    const observations: string[] = [];
    await withCopy(async (project) => {
      const overrides: string[] = [];
      for (const { kind, override: setting, rolls } of changes) {
        overrides.push(typeof setting === 'string' ? setting : await setting(cluster));
        override(project, overrides);
        const before = await instances(cluster);
        const beats = await sampleDuring(
          () => runningBeats(cluster),
          () => cluster.command('up', [], { cwd: project }),
        );
        if (Math.max(...beats) > 1) throw new Error(`${kind}: ${Math.max(...beats)} pods of beat ran at the same time`);
        const after = await instances(cluster);
        const rolled = new Set([...before].flatMap(([uid, instance]) => (after.has(uid) ? [] : [instance])));
        const observed = `${kind}: ${[...rolled].toSorted().join(', ') || 'none'}`;
        if (observed !== `${kind}: ${rolls.join(', ') || 'none'}`)
          throw new Error(`${observed} replaced, expected ${rolls.join(', ') || 'none'}`);
        observations.push(observed);
      }
    });
    await cluster.command('up');
    await cluster.waitReady();
    return observations.join(' · ');
  },
};

/** The workload of each pod that is not being deleted, by the pod's uid. */
async function instances(cluster: Cluster): Promise<ReadonlyMap<string, string>> {
  const pods = (await cluster.pods()).filter(({ metadata }) => !('deletionTimestamp' in metadata));
  return new Map(pods.map(({ metadata }) => [(metadata as { uid?: string }).uid ?? '', metadata.labels?.[INSTANCE] ?? '']));
}

/** The number of beat's pods with a running container. */
async function runningBeats({ kubectl }: Cluster): Promise<number> {
  const pods = await kubectl.objects(['get', 'pods', '--selector=app.kubernetes.io/name=celery-beat']);
  return pods.filter(({ status }) => status.containerStatuses?.some(({ state }: { state: { running?: object } }) => state.running)).length;
}
