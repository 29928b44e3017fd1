import { setTimeout as pause } from 'node:timers/promises';
import colors from 'picocolors';
import { tagOf } from '../lib/image.ts';
import { amountOf } from '../lib/quantity.ts';
import { type Manifest, podOf } from '../lib/render.ts';
import { snapshot, workloadsOf } from './cluster.ts';
import { command } from './command.ts';
import { diagnose } from './diagnose.ts';
import { checksOf, type Health, healthOf } from './health.ts';
import { contextOf, Kubectl } from './kubectl.ts';
import { Live, table } from './output.ts';
import { type Profile, profileOf } from './profile.ts';
import { containersOf, exitOf, lastWarning, type Snapshot } from './snapshot.ts';
import { TIMEOUTS } from './timeouts.ts';
import { UserError } from './user-error.ts';

/** One line of the table. */
interface Row {
  readonly name: string;
  readonly healthy: boolean;
  readonly ready: string;
  readonly restarts: string;
  readonly image: string;
  readonly disk: string;
  /** The result of the health check, what the workload waits for, or its last warning. */
  readonly message: string;
}

/** Shows the state of a profile. */
export const status = command(
  'status',
  'show the state of every workload, and the health of each service',
  `The exit status is 1 if anything is unhealthy.

  npm run status -- --profile dev
  npm run status -- --profile prod --context production --json`,
)
  .option('--watch', 'repeat every 2 seconds, until Ctrl-C')
  .action(async (options) => {
    if (options.watch && options.json) throw new UserError('--watch and --json exclude each other: a program reads one object');
    const profile = profileOf(options.profile);
    const context = await contextOf(options.context);
    const kubectl = new Kubectl(context, profile.namespace);
    const live = new Live(false);
    for (; ; await pause(2000)) {
      const rows = await rowsOf(kubectl, profile);
      const healthy = rows.every((row) => row.healthy);
      if (options.json) console.log(JSON.stringify({ profile: profile.name, context, healthy, workloads: rows }));
      else if (options.watch) live.update(new Map([['table', { text: format(rows) }]]));
      else console.log(format(rows));
      process.exitCode = healthy ? 0 : 1;
      if (!options.watch) return;
    }
  });

async function rowsOf(kubectl: Kubectl, profile: Profile): Promise<readonly Row[]> {
  const workloads = workloadsOf(profile);
  const found = snapshot(kubectl);
  const [objects, used, health] = await Promise.all([
    found,
    found.then((all) => diskUse(kubectl, all)),
    Promise.all(checksOf(workloads).map(async ({ name, target, check }) => [name, await healthOf(check, target, kubectl)] as const)),
  ]);
  return workloads.map((workload) => row(workload, { objects }, used, new Map(health), profile));
}

/** The line of one workload. */
export function row(
  workload: Manifest,
  now: Snapshot,
  used: ReadonlyMap<string, number>,
  health: ReadonlyMap<string, Health>,
  profile: Profile,
): Row {
  const { name, ready, wanted, state, message } = diagnose(workload, now, profile.name);
  const found = now.objects.find((each) => each.kind === workload.kind && each.metadata.name === name) ?? workload;
  const result = health.get(name);
  const healthy = state === 'ready' && result?.healthy !== false;
  const main = state === 'ready' ? (result?.message ?? '') : message;
  const warning = lastWarning(found, now);
  return {
    name,
    healthy,
    ready: `${ready}/${wanted}`,
    restarts: restarts(found, now),
    image: tagOf(podOf(workload)?.containers[0]?.image ?? ''),
    disk: disk(workload, now, used),
    message: [main, warning && !(healthy && main) ? `last warning: ${warning}` : ''].filter(Boolean).join('; '),
  };
}

/** `2, last: killed by signal 9` */
function restarts(workload: Manifest, now: Snapshot): string {
  const containers = containersOf(workload, now);
  const total = containers.reduce((sum, { restartCount }) => sum + restartCount, 0);
  const last = containers.map(({ lastState }) => lastState?.terminated).find((terminated) => terminated !== undefined);
  return total === 0 ? '0' : `${total}, last: ${exitOf(last)}`;
}

/** `12Mi of 4Gi`: the used and the total size of the workload's disks. Only the size, where the use is not measured. */
function disk(workload: Manifest, { objects }: Snapshot, used: ReadonlyMap<string, number>): string {
  const templates = (workload.spec.volumeClaimTemplates ?? []).map(
    ({ metadata }: Manifest) => `${metadata.name}-${workload.metadata.name}-`,
  );
  const named = podOf(workload)?.volumes?.map(({ persistentVolumeClaim }) => persistentVolumeClaim?.claimName) ?? [];
  const claims = objects.filter(
    ({ kind, metadata: { name } }) =>
      kind === 'PersistentVolumeClaim' && (named.includes(name) || templates.some((prefix: string) => name.startsWith(prefix))),
  );
  if (claims.length === 0) return '';
  const size = claims.reduce((sum, { spec }) => sum + amountOf(spec.resources.requests.storage), 0);
  const taken = claims.reduce((sum, { metadata }) => sum + (used.get(metadata.name) ?? Number.NaN), 0);
  // For a directory of the node, the kubelet measures the node's whole disk.
  return taken <= size ? `${bytes(taken)} of ${bytes(size)}` : bytes(size);
}

function bytes(amount: number): string {
  const [unit, per] = amount >= 2 ** 30 ? ['Gi', 2 ** 30] : ['Mi', 2 ** 20];
  return `${Number((amount / per).toFixed(1))}${unit}`;
}

/** The used bytes of each claim, as the kubelets measure them. Empty when the user may not read them. */
async function diskUse(kubectl: Kubectl, objects: readonly Manifest[]): Promise<ReadonlyMap<string, number>> {
  const nodes = new Set(objects.flatMap(({ kind, spec }) => (kind === 'Pod' && spec.nodeName ? [spec.nodeName] : [])));
  const summaries = await Promise.all(
    [...nodes].map((node) =>
      kubectl.run(['get', `--raw=/api/v1/nodes/${node}/proxy/stats/summary`], { seconds: TIMEOUTS.diskUse }).catch(() => '{}'),
    ),
  );
  const pods: readonly Manifest[] = summaries.flatMap((text) => JSON.parse(text).pods ?? []);
  const volumes: readonly Manifest[] = pods.flatMap(({ volume = [] }) => volume);
  const own = volumes.filter(({ pvcRef }) => pvcRef?.namespace === kubectl.namespace);
  return new Map(own.map(({ pvcRef, usedBytes }) => [pvcRef.name, usedBytes]));
}

function format(rows: readonly Row[]): string {
  const head = ['', 'workload', 'ready', 'restarts', 'image', 'disk', ''].map((cell) => colors.dim(cell));
  const lines = rows.map(({ healthy, name, ready, restarts, image, disk, message }) => [
    healthy ? colors.green('✔') : colors.red('✖'),
    name,
    ready,
    restarts,
    image,
    disk,
    healthy ? message : colors.red(message),
  ]);
  return table([head, ...lines]);
}
