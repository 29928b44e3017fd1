import { workloadsOf } from '../cli/cluster.ts';
import { amountOf } from '../lib/quantity.ts';
import { podOf, text } from '../lib/render.ts';
import type { Cluster } from './cluster.ts';
import type { Start } from './fresh.ts';

/** What each workload uses at a moment. */
export type Uses = ReadonlyMap<string, Use>;

/** What one workload's containers use at a moment. */
interface Use {
  readonly memory: number;
  readonly cpu: number;
}

/** Bytes and cores of each instance, as the kubelets measure them. */
export async function use({ kubectl }: Cluster): Promise<Uses> {
  const pods = await kubectl.objects(['get', 'pods', '--field-selector=status.phase=Running']);
  const instances = new Map(pods.map(({ metadata }) => [metadata.name, metadata.labels?.['app.kubernetes.io/instance'] ?? '']));
  const uses = new Map<string, Use>();
  for (const node of new Set(pods.map(({ spec }) => spec.nodeName))) {
    const summary: Summary = JSON.parse(await kubectl.run(['get', `--raw=/api/v1/nodes/${node}/proxy/stats/summary`]));
    for (const { podRef, containers = [] } of summary.pods) {
      const instance = podRef.namespace === kubectl.namespace ? instances.get(podRef.name) : undefined;
      if (!instance) continue;
      const before = uses.get(instance) ?? { memory: 0, cpu: 0 };
      uses.set(instance, {
        memory: before.memory + containers.reduce((sum, { memory }) => sum + (memory?.workingSetBytes ?? 0), 0),
        cpu: before.cpu + containers.reduce((sum, { cpu }) => sum + (cpu?.usageNanoCores ?? 0) / 1e9, 0),
      });
    }
  }
  return uses;
}

interface Summary {
  readonly pods: readonly {
    readonly podRef: { readonly name: string; readonly namespace: string };
    readonly containers?: readonly {
      readonly memory?: { readonly workingSetBytes?: number };
      readonly cpu?: { readonly usageNanoCores?: number };
    }[];
  }[];
}

/** The highest of each, of several moments. */
export function most(moments: readonly Uses[]): Uses {
  const names = new Set(moments.flatMap((moment) => [...moment.keys()]));
  const highest = (name: string, what: keyof Use) => Math.max(...moments.map((moment) => moment.get(name)?.[what] ?? 0));
  return new Map([...names].map((name) => [name, { memory: highest(name, 'memory'), cpu: highest(name, 'cpu') }]));
}

/** What answers for each workload: the version that its program names, or `STANDIN`. */
export type ProgramVersions = ReadonlyMap<string, string>;

/** A program that answers as the product does, of which it says nothing more: its memory and CPU are not the product's. */
export const STANDIN = 'stand-in';

/** How a program names its version, by the name of its workload. celery-exporter does not. */
const VERSION: Readonly<Record<string, readonly string[]>> = {
  arangodb: ['arangod', '--version'],
  redis: ['redis-server', '--version'],
  prometheus: ['prometheus', '--version'],
  loki: ['/usr/bin/loki', '-version'],
  tempo: ['/tempo', '-version'],
  'otel-collector': ['/otelcol-contrib', '--version'],
  grafana: ['grafana', '--version'],
  consul: ['consul', 'version'],
  'celery-worker': ['celery', '--version'],
  'celery-beat': ['celery', '--version'],
};

/** What answers for each workload that runs. A stand-in's log begins with saying that it is one. */
export async function programsOf(cluster: Cluster): Promise<ProgramVersions> {
  const pods = await cluster.pods();
  const answers = pods.map(async ({ metadata, spec }): Promise<[string, string]> => {
    const { 'app.kubernetes.io/instance': instance = '', 'app.kubernetes.io/name': name = '' } = metadata.labels ?? {};
    const container: string = spec.containers[0].name;
    const log = await cluster.kubectl.run(['logs', metadata.name, `--container=${container}`, '--limit-bytes=16384']);
    if (log.includes('STAND-IN')) return [instance, STANDIN];
    const command = VERSION[name];
    const said = command ? await cluster.exec(metadata.name, command, container).catch(() => '') : '';
    return [instance, /\d+\.\d+\.\d+/.exec(said)?.[0] ?? 'no version'];
  });
  return new Map(await Promise.all(answers));
}

/** The workloads that a stand-in answers for. */
export function standinsAmong(programs: ProgramVersions): readonly string[] {
  return [...programs].flatMap(([name, program]) => (program === STANDIN ? [name] : [])).sort();
}

/**
 * A row for each workload: what answers for it, when it was ready, what it reserves, its limit, and what it used; then the sum of
 * what the real programs used. What a stand-in used is left out.
 */
export function usage(
  cluster: Cluster,
  starts: readonly Start[],
  idle: Uses,
  load: Uses,
  programs: ProgramVersions,
): readonly (readonly string[])[] {
  const mebibytes = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`;
  const millis = (cores: number) => `${Math.round(cores * 1000)} m`;
  const rows = workloadsOf(cluster.profile).flatMap((workload) => {
    const { name } = workload.metadata;
    const [still, busy] = [idle.get(name), load.get(name)];
    if (!still || !busy) return [];
    const sum = (of: 'requests' | 'limits', what: string) =>
      (podOf(workload)?.containers ?? []).reduce((total, { resources }) => total + amountOf(resources[of]?.[what]), 0);
    const program = programs.get(name) ?? '?';
    const ready = `${starts.find((each) => each.name === name)?.seconds ?? '?'} s`;
    const [reserved, limit] = [sum('requests', 'cpu'), sum('limits', 'memory')];
    const room = `${(limit / Math.max(still.memory, busy.memory)).toFixed(1)} ×`;
    const seen = [millis(still.cpu), millis(busy.cpu), mebibytes(still.memory), mebibytes(busy.memory), room];
    const [stillCpu, busyCpu, stillMemory, busyMemory, times] = program === STANDIN ? seen.map(() => '–') : seen;
    return [[name, program, ready, millis(reserved), stillCpu, busyCpu, mebibytes(limit), stillMemory, busyMemory, times].map(String)];
  });
  const real = rows.flatMap(([name = '', program]) => (program === STANDIN ? [] : [name]));
  const total = (moment: Uses, what: keyof Use) => real.reduce((sum, name) => sum + (moment.get(name)?.[what] ?? 0), 0);
  const last = `${Math.max(0, ...starts.map(({ seconds }) => seconds))} s`;
  const cpu = ['', millis(total(idle, 'cpu')), millis(total(load, 'cpu'))];
  const memory = ['', mebibytes(total(idle, 'memory')), mebibytes(total(load, 'memory'))];
  return [HEAD, ...rows, ['all', 'the real programs', last, ...cpu, ...memory, '']];
}

const HEAD = [
  ...['workload', 'program', 'ready after', 'CPU reserved', 'CPU idle', 'CPU under smoke'],
  ...['memory limit', 'memory idle', 'memory under smoke', 'limit / most'],
];

/** Objects and bytes of what is applied. */
export function sizeOf(cluster: Cluster): string {
  const { objects } = cluster.profile;
  return `${objects.length} objects, ${Math.round(text(objects).length / 1024)} KiB of YAML`;
}

/** Rows of cells, the first of which is the head. */
export type Table = readonly (readonly string[])[];

/** The page docs/measured.md. */
export async function record(cluster: Cluster, used: Table, proven: Table, programs: ProgramVersions): Promise<string> {
  const { serverVersion } = JSON.parse(await cluster.kubectl.run(['version', '--output=json']));
  const [node] = await cluster.kubectl.objects(['get', 'nodes']);
  const { cpu, memory } = node?.status.capacity ?? {};
  const where = `Kubernetes ${serverVersion.gitVersion}, one node of ${cpu} CPUs and ${Math.round(amountOf(memory) / 2 ** 30)} GiB`;
  const images = [
    ...new Set(workloadsOf(cluster.profile).flatMap((each) => podOf(each)?.containers.map(({ image }) => image) ?? [])),
  ].sort();
  return page({ date: new Date().toISOString().slice(0, 10), where, size: sizeOf(cluster), images, used, proven, programs });
}

interface Measured {
  readonly date: string;
  readonly where: string;
  readonly size: string;
  readonly images: readonly string[];
  readonly used: Table;
  readonly proven: Table;
  readonly programs: ProgramVersions;
}

/** The text of that page. */
export function page({ date, where, size, images, used, proven, programs }: Measured): string {
  const rows = (table: Table) => {
    const [head = [], ...rest] = table.map((row) => `| ${row.join(' | ')} |`);
    return [head, `|${'---|'.repeat(table[0]?.length ?? 0)}`, ...rest].join('\n');
  };
  const standins = standinsAmong(programs);
  const named =
    standins.length > 0
      ? `Stand-ins answered for ${standins.join(', ')}: they prove that the manifests fit together, and nothing of the
products. What they used is left out, since it is not what the products use; their \`ready after\` is a stand-in's too.`
      : 'No stand-in answered.';
  return `# Measured

By \`npm run e2e -- --record\`, on ${date}: ${where}, images on the node.
${named}

\`program\` is the version that the program itself names. Where it is not the tag of the image below, the image on that node held
another release, and the numbers are of that one.

What is applied: ${size}.

${rows(used)}

Images: ${images.map((image) => `\`${image}\``).join(', ')}.

"Killed" and "deleted" mean the process or the pod: what a node or a disk takes with it is in [durability.md](durability.md).

${rows(proven)}
`;
}
