import { readFileSync } from 'node:fs';
import { workloadsOf } from '../cli/cluster.ts';
import { questions } from '../cli/questions.ts';
import { amountOf } from '../lib/quantity.ts';
import { podOf } from '../lib/render.ts';
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

/** A row for each workload: when it was ready, what it reserves, its limit, and what it used; then their sum. */
export function usage(cluster: Cluster, starts: readonly Start[], idle: Uses, load: Uses): readonly (readonly string[])[] {
  const mebibytes = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`;
  const millis = (cores: number) => `${Math.round(cores * 1000)} m`;
  const rows = workloadsOf(cluster.profile).flatMap((workload) => {
    const { name } = workload.metadata;
    const [still, busy] = [idle.get(name), load.get(name)];
    if (!still || !busy) return [];
    const sum = (of: 'requests' | 'limits', what: string) =>
      (podOf(workload)?.containers ?? []).reduce((total, { resources }) => total + amountOf(resources[of]?.[what]), 0);
    const limit = sum('limits', 'memory');
    const room = `${(limit / Math.max(still.memory, busy.memory)).toFixed(1)} ×`;
    const ready = `${starts.find((each) => each.name === name)?.seconds ?? '?'} s`;
    const cpu = [millis(sum('requests', 'cpu')), millis(still.cpu), millis(busy.cpu)];
    return [[name, ready, ...cpu, mebibytes(limit), mebibytes(still.memory), mebibytes(busy.memory), room]];
  });
  const total = (moment: Uses, what: keyof Use) => [...moment.values()].reduce((sum, each) => sum + each[what], 0);
  const last = `${Math.max(0, ...starts.map(({ seconds }) => seconds))} s`;
  const cpu = ['', millis(total(idle, 'cpu')), millis(total(load, 'cpu'))];
  const memory = ['', mebibytes(total(idle, 'memory')), mebibytes(total(load, 'memory'))];
  return [HEAD, ...rows, ['all', last, ...cpu, ...memory, '']];
}

const HEAD = ['workload', 'ready after', 'CPU reserved', 'idle', 'under smoke', 'memory limit', 'idle', 'under smoke', 'limit / most'];

/** Objects and bytes of what is applied. */
export function sizeOf(cluster: Cluster): string {
  const files = [...cluster.profile.files.keys()].map((file) => readFileSync(`dist/${cluster.profile.name}/${file}`, 'utf8'));
  const objects = [...cluster.profile.files.values()].flat().length;
  return `${objects} objects, ${Math.round(files.reduce((sum, text) => sum + text.length, 0) / 1024)} KiB of YAML`;
}

/** Rows of cells, the first of which is the head. */
export type Table = readonly (readonly string[])[];

/** The services that a stand-in answers for, which says so itself. */
export async function standinsOf(cluster: Cluster): Promise<readonly string[]> {
  const asked = await Promise.all(
    questions
      .filter(({ service }) => [...cluster.profile.files.keys()].includes(`${service}.yaml`))
      .map(async ({ service, port }) => ({ service, ...(await cluster.http(service, port, '/').catch(() => ({ standin: false }))) })),
  );
  return asked.flatMap(({ service, standin }) => (standin ? [service] : []));
}

/** The page docs/measured.md. */
export async function record(cluster: Cluster, used: Table, proven: Table, standins: readonly string[]): Promise<string> {
  const { serverVersion } = JSON.parse(await cluster.kubectl.run(['version', '--output=json']));
  const [node] = await cluster.kubectl.objects(['get', 'nodes']);
  const { cpu, memory } = node?.status.capacity ?? {};
  const images = [
    ...new Set(workloadsOf(cluster.profile).flatMap((each) => podOf(each)?.containers.map(({ image }) => image) ?? [])),
  ].sort();
  const rows = (table: Table) => {
    const [head = [], ...rest] = table.map((row) => `| ${row.join(' | ')} |`);
    return [head, `|${'---|'.repeat(table[0]?.length ?? 0)}`, ...rest].join('\n');
  };
  return `# Measured

By \`npm run e2e -- --record\`, on ${new Date().toISOString().slice(0, 10)}: Kubernetes ${serverVersion.gitVersion}, one node of ${cpu} CPUs and ${Math.round(amountOf(memory) / 2 ** 30)} GiB, images
on the node. ${standins.length > 0 ? `Stand-ins answered for ${standins.join(', ')}: what they prove is the manifests, and their numbers say nothing of the products.` : 'No stand-in answered.'}

What is applied: ${sizeOf(cluster)}.

${rows(used)}

Images: ${images.map((image) => `\`${image}\``).join(', ')}.

${rows(proven)}
`;
}
