import { workloadsOf } from '../cli/cluster.ts';
import { amountOf } from '../lib/quantity.ts';
import { podOf, text } from '../lib/render.ts';
import { type Cluster, INSTANCE } from './cluster.ts';
import type { ReadyTime } from './install.ts';

/** Bytes of memory and CPU cores in use. */
interface Resources {
  readonly memory: number;
  readonly cpu: number;
}

/** The resources that each workload uses. */
export type Usage = ReadonlyMap<string, Resources>;

/** Rows of cells, the first of which is the header. */
export type Table = readonly (readonly string[])[];

/** Reads the usage of each workload from the kubelets. */
export async function measure({ kubectl }: Cluster): Promise<Usage> {
  const pods = await kubectl.objects(['get', 'pods', '--field-selector=status.phase=Running']);
  const instances = new Map(pods.map(({ metadata }) => [metadata.name, metadata.labels?.[INSTANCE] ?? '']));
  const usage = new Map<string, Resources>();
  for (const node of new Set(pods.map(({ spec }) => spec.nodeName))) {
    const summary: Summary = JSON.parse(await kubectl.run(['get', `--raw=/api/v1/nodes/${node}/proxy/stats/summary`]));
    for (const { podRef, containers = [] } of summary.pods) {
      const instance = podRef.namespace === kubectl.namespace ? instances.get(podRef.name) : undefined;
      if (!instance) continue;
      const others = usage.get(instance) ?? { memory: 0, cpu: 0 };
      usage.set(instance, {
        memory: others.memory + sum(containers.map(({ memory }) => memory?.workingSetBytes ?? 0)),
        cpu: others.cpu + sum(containers.map(({ cpu }) => (cpu?.usageNanoCores ?? 0) / 1e9)),
      });
    }
  }
  return usage;
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

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

/** The maximum of each workload's memory and CPU over several samples. */
export function peak(samples: readonly Usage[]): Usage {
  const names = new Set(samples.flatMap((sample) => [...sample.keys()]));
  const max = (name: string, resource: keyof Resources) => Math.max(...samples.map((sample) => sample.get(name)?.[resource] ?? 0));
  return new Map([...names].map((name) => [name, { memory: max(name, 'memory'), cpu: max(name, 'cpu') }]));
}

/** The version that each workload's program reports, or `STANDIN`. */
export type ProgramVersions = ReadonlyMap<string, string>;

/** A program that answers in place of a product: its memory and CPU are not the product's. */
export const STANDIN = 'stand-in';

/** The commands that print a program's version, by component. celery-exporter has none. */
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

/** Asks each running workload for its version. The log of a stand-in begins with a line that says so. */
export async function programsOf(cluster: Cluster): Promise<ProgramVersions> {
  const pods = await cluster.pods();
  const versions = pods.map(async ({ metadata, spec }): Promise<[string, string]> => {
    const { [INSTANCE]: instance = '', 'app.kubernetes.io/name': component = '' } = metadata.labels ?? {};
    const container: string = spec.containers[0].name;
    const log = await cluster.kubectl.run(['logs', metadata.name, `--container=${container}`, '--limit-bytes=16384']);
    if (log.includes('STAND-IN')) return [instance, STANDIN];
    const command = VERSION[component];
    const output = command ? await cluster.exec(metadata.name, command, container).catch(() => '') : '';
    return [instance, /\d+\.\d+\.\d+/.exec(output)?.[0] ?? 'no version'];
  });
  return new Map(await Promise.all(versions));
}

/** The workloads whose product is replaced by a stand-in. */
export function standinsAmong(programs: ProgramVersions): readonly string[] {
  return [...programs].flatMap(([name, program]) => (program === STANDIN ? [name] : [])).sort();
}

const HEADER = [
  ...['workload', 'program', 'ready after', 'CPU request', 'CPU idle', 'CPU under smoke'],
  ...['memory limit', 'memory idle', 'memory under smoke', 'limit / peak'],
];

/** A row for each workload, and the sum of the real programs. The usage of stand-ins is left out. */
export function usageTable(cluster: Cluster, readyTimes: readonly ReadyTime[], idle: Usage, load: Usage, programs: ProgramVersions): Table {
  const mebibytes = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`;
  const millis = (cores: number) => `${Math.round(cores * 1000)} m`;
  const rows = workloadsOf(cluster.profile).flatMap((workload) => {
    const { name } = workload.metadata;
    const [atRest, busy] = [idle.get(name), load.get(name)];
    if (!atRest || !busy) return [];
    const total = (kind: 'requests' | 'limits', resource: string) =>
      sum((podOf(workload)?.containers ?? []).map(({ resources }) => amountOf(resources[kind]?.[resource])));
    const program = programs.get(name) ?? '?';
    const ready = `${readyTimes.find((each) => each.name === name)?.seconds ?? '?'} s`;
    const limit = total('limits', 'memory');
    const used = [
      ...[millis(atRest.cpu), millis(busy.cpu), mebibytes(atRest.memory), mebibytes(busy.memory)],
      `${(limit / Math.max(atRest.memory, busy.memory)).toFixed(1)} ×`,
    ];
    const [idleCpu = '', busyCpu = '', ...memory] = program === STANDIN ? used.map(() => '–') : used;
    return [[name, program, ready, millis(total('requests', 'cpu')), idleCpu, busyCpu, mebibytes(limit), ...memory]];
  });
  const real = rows.flatMap(([name = '', program]) => (program === STANDIN ? [] : [name]));
  const total = (usage: Usage, resource: keyof Resources) => sum(real.map((name) => usage.get(name)?.[resource] ?? 0));
  const cpu = ['', millis(total(idle, 'cpu')), millis(total(load, 'cpu'))];
  const memory = ['', mebibytes(total(idle, 'memory')), mebibytes(total(load, 'memory')), ''];
  const allReady = `${Math.max(0, ...readyTimes.map(({ seconds }) => seconds))} s`;
  return [HEADER, ...rows, ['all', 'the real programs', allReady, ...cpu, ...memory]];
}

/** The number and size of the applied objects. */
export function sizeOf({ profile }: Cluster): string {
  return `${profile.objects.length} objects, ${Math.round(text(profile.objects).length / 1024)} KiB of YAML`;
}

/** The text of docs/measured.md. */
export async function measuredPage(cluster: Cluster, usage: Table, proofs: Table, programs: ProgramVersions): Promise<string> {
  const { serverVersion } = JSON.parse(await cluster.kubectl.run(['version', '--output=json']));
  const [node] = await cluster.kubectl.objects(['get', 'nodes']);
  const { cpu, memory } = node?.status.capacity ?? {};
  const where = `Kubernetes ${serverVersion.gitVersion}, one node of ${cpu} CPUs and ${Math.round(amountOf(memory) / 2 ** 30)} GiB`;
  const images = workloadsOf(cluster.profile).flatMap((workload) => podOf(workload)?.containers.map(({ image }) => image) ?? []);
  const date = new Date().toISOString().slice(0, 10);
  return page({ date, where, size: sizeOf(cluster), images: [...new Set(images)].sort(), usage, proofs, programs });
}

interface Page {
  readonly date: string;
  readonly where: string;
  readonly size: string;
  readonly images: readonly string[];
  readonly usage: Table;
  readonly proofs: Table;
  readonly programs: ProgramVersions;
}

export function page({ date, where, size, images, usage, proofs, programs }: Page): string {
  const standins = standinsAmong(programs);
  const origin =
    standins.length > 0
      ? `Stand-ins replaced ${standins.join(', ')}. They prove that the manifests fit together and nothing about
the products: their resource use is left out, and their \`ready after\` is not the product's.`
      : 'Every program was the real one.';
  return `# Measurements

Written by \`npm run e2e -- --record\` on ${date}: ${where}, with the images already on the node.
${origin}

\`program\` is the version that the program itself reports. Where it differs from the tag of the image below, the image on that node
contained another release, and the measurements are of that one.

Applied: ${size}.

${markdown(usage)}

Images: ${images.map((image) => `\`${image}\``).join(', ')}.

"Killed" and "deleted" refer to processes and pods. [durability.md](durability.md) covers lost nodes and disks.

${markdown(proofs)}
`;
}

function markdown(table: Table): string {
  const [header = [], ...rows] = table;
  return [header, header.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}
