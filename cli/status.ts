import { setTimeout as pause } from 'node:timers/promises';
import colors from 'picocolors';
import { tagOf } from '../lib/image.ts';
import { amountOf } from '../lib/quantity.ts';
import { type Manifest, podOf } from '../lib/render.ts';
import { snapshot, workloadsOf } from './cluster.ts';
import type { Command } from './command.ts';
import { containersOf, diagnose, lastWarning, type Snapshot, why } from './diagnose.ts';
import { checksOf, type Health, healthOf } from './health.ts';
import { contextOf, Kubectl } from './kubectl.ts';
import { Live, table } from './output.ts';
import { type Profile, profileOf } from './profile.ts';
import { UserError } from './user-error.ts';

/** One line of the table. */
interface Row {
  readonly name: string;
  readonly well: boolean;
  readonly ready: string;
  readonly restarts: string;
  readonly image: string;
  readonly disk: string;
  /** What the service answered, what it waits for, or its last warning. */
  readonly words: string;
}

/** How a profile is. */
export const status: Command = {
  summary: 'shows how every workload is, and checks the health of each service',
  help: `  --watch              looks again two seconds after each look, until Ctrl-C

Ends with 1 when anything is not as it should be.

  npm run status -- --profile dev
  npm run status -- --profile prod --context production --json`,
  options: { watch: { type: 'boolean' } },
  async run(values) {
    const profile = profileOf(values.profile);
    if (values.watch && values.json) throw new UserError('--watch and --json exclude each other: a program reads one answer');
    const context = await contextOf(values.context);
    const kubectl = new Kubectl(context, profile.namespace);
    const live = new Live(false);
    for (;;) {
      const rows = await look(kubectl, profile);
      const well = rows.every((row) => row.well);
      if (values.json) console.log(JSON.stringify({ profile: profile.name, context, well, workloads: rows }));
      else if (values.watch) live.show(new Map([['table', { text: shown(rows) }]]));
      else console.log(shown(rows));
      if (!values.watch) return well ? 0 : 1;
      await pause(2000);
    }
  },
};

async function look(kubectl: Kubectl, profile: Profile): Promise<readonly Row[]> {
  const workloads = workloadsOf(profile);
  const [objects, used, health] = await Promise.all([
    snapshot(kubectl),
    diskUse(kubectl),
    Promise.all(checksOf(workloads).map(async ({ name, target, check }) => [name, await healthOf(check, target, kubectl)] as const)),
  ]);
  return workloads.map((workload) => row(workload, { objects }, used, new Map(health), profile));
}

/** What is known of a workload, in one line. */
export function row(
  workload: Manifest,
  now: Snapshot,
  used: ReadonlyMap<string, number>,
  health: ReadonlyMap<string, Health>,
  profile: Profile,
): Row {
  const { name, ready, wanted, state, words } = diagnose(workload, now, profile.name);
  const there = now.objects.find((each) => each.kind === workload.kind && each.metadata.name === name) ?? workload;
  const answer = health.get(name);
  const well = state === 'ready' && answer?.well !== false;
  const warning = lastWarning(there, now);
  const said = state !== 'ready' ? words : (answer?.words ?? '');
  return {
    name,
    well,
    ready: `${ready}/${wanted}`,
    restarts: restarts(there, now),
    image: tagOf(podOf(workload)?.containers[0]?.image ?? ''),
    disk: disk(workload, now, used),
    words: [said, warning && !(well && said) ? `last warning: ${warning}` : ''].filter(Boolean).join('; '),
  };
}

/** `2, last by signal 9`. */
function restarts(workload: Manifest, now: Snapshot): string {
  const containers = containersOf(workload, now);
  const total = containers.reduce((sum, { restartCount }) => sum + restartCount, 0);
  const last = containers.map(({ lastState }) => lastState?.terminated).find((ended) => ended !== undefined);
  return total === 0 ? '0' : `${total}, last ${why(last)}`;
}

/** `12Mi of 4Gi`, of all its disks. Where nobody measures, the size alone. */
function disk(workload: Manifest, { objects }: Snapshot, used: ReadonlyMap<string, number>): string {
  const own = (workload.spec.volumeClaimTemplates ?? []).map(({ metadata }: Manifest) => `${metadata.name}-${workload.metadata.name}-`);
  const named = podOf(workload)?.volumes?.map(({ persistentVolumeClaim }) => persistentVolumeClaim?.claimName) ?? [];
  const claims = objects.filter(
    ({ kind, metadata }) =>
      kind === 'PersistentVolumeClaim' && (named.includes(metadata.name) || own.some((start: string) => metadata.name.startsWith(start))),
  );
  if (claims.length === 0) return '';
  const size = claims.reduce((sum, { spec }) => sum + amountOf(spec.resources.requests.storage), 0);
  const measured = claims.map(({ metadata }) => used.get(metadata.name) ?? Number.NaN);
  const taken = measured.reduce((sum, each) => sum + each, 0);
  // A folder of the node has no size of its own: what is measured there is the node's disk.
  return taken <= size ? `${short(taken)} of ${short(size)}` : short(size);
}

function short(bytes: number): string {
  const [unit, per] = bytes >= 2 ** 30 ? ['Gi', 2 ** 30] : ['Mi', 2 ** 20];
  return `${Number((bytes / per).toFixed(1))}${unit}`;
}

/** Bytes on each claim, as the kubelets measure them. Empty where the user may not ask, or the disks cannot tell. */
async function diskUse(kubectl: Kubectl): Promise<ReadonlyMap<string, number>> {
  const pods = await kubectl.objects(['get', 'pods']).catch(() => []);
  const nodes = [...new Set(pods.map(({ spec }) => spec.nodeName).filter(Boolean))];
  const summaries = await Promise.all(
    nodes.map((node) => kubectl.run(['get', `--raw=/api/v1/nodes/${node}/proxy/stats/summary`], { seconds: 3 }).catch(() => '{}')),
  );
  const volumes = summaries.flatMap((text) =>
    (JSON.parse(text).pods ?? []).flatMap(({ volume }: { volume?: readonly Volume[] }) => volume ?? []),
  );
  return new Map(
    volumes
      .filter(({ pvcRef }: Volume) => pvcRef?.namespace === kubectl.namespace)
      .map(({ pvcRef, usedBytes }: Volume) => [pvcRef?.name ?? '', usedBytes]),
  );
}

interface Volume {
  readonly usedBytes: number;
  readonly pvcRef?: { readonly name: string; readonly namespace: string };
}

function shown(rows: readonly Row[]): string {
  const head = ['', 'workload', 'ready', 'restarts', 'image', 'disk', ''].map((cell) => colors.dim(cell));
  const lines = rows.map(({ well, name, ready, restarts, image, disk, words }) => [
    well ? colors.green('✔') : colors.red('✖'),
    name,
    ready,
    restarts,
    image,
    disk,
    well ? words : colors.red(words),
  ]);
  return table([head, ...lines]);
}
