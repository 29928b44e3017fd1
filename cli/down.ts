import { setTimeout as pause } from 'node:timers/promises';
import type { Manifest } from '../lib/render.ts';
import { listOf, nameOf, RESOURCES } from './cluster.ts';
import { command, seconds } from './command.ts';
import { confirmedContext } from './confirm.ts';
import { contextOf, Kubectl } from './kubectl.ts';
import { ask, Live } from './output.ts';
import { type Profile, profileOf } from './profile.ts';
import { TIMEOUTS } from './timeouts.ts';
import { UserError } from './user-error.ts';
import { watch } from './watch.ts';

/** Kinds that hold data, and the namespace around them. */
const KEPT = ['PersistentVolumeClaim', 'Namespace'];
const PART_OF = 'app.kubernetes.io/part-of';
const MANAGED_BY = 'app.kubernetes.io/managed-by';

/** Removes what `up` applied. */
export const down = command(
  'down',
  'remove what up applied, but keep disks, Secrets and the namespace',
  `  npm run down -- --profile dev
  npm run down -- --profile dev --purge`,
)
  .option('--purge', "remove disks, Secrets and the namespace too, after you have typed the profile's name")
  .option('--timeout <seconds>', 'time limit for pods to terminate', seconds, TIMEOUTS.profile)
  .action(async ({ purge, timeout, json = false, ...options }) => {
    const profile = profileOf(options.profile);
    const { name, namespace } = profile;
    // Typing the profile's name confirms the context too.
    const effect = (each: string) => `This removes ${name} from the cluster of context "${each}"`;
    const context = await (purge ? contextOf(options.context) : confirmedContext(options.context, effect));
    const kubectl = new Kubectl(context, namespace);
    const live = new Live(json);
    if (purge) {
      const typed = await typedLine(`--purge removes every disk and Secret of ${name} in context "${context}". Type the profile's name: `);
      if (typed !== name) throw new UserError(`this is not the profile's name, "${name}": nothing was removed`);
    }

    const removed = await deleteObjects(kubectl, profile);
    live.log(removed.length === 0 ? 'nothing to remove' : `removing ${removed.length} objects`);
    await waitForPods(kubectl, live, timeout, profile.settings.shared.labels[PART_OF]);

    let kept: readonly string[] = [];
    if (purge) {
      const args = ['delete', 'namespace', namespace, '--ignore-not-found', `--timeout=${timeout}s`];
      await kubectl.run(args, { seconds: timeout + 10 });
      live.log(`removed the namespace ${namespace} with its disks and Secrets`);
    } else {
      // The disks of StatefulSets have no labels, and the namespace holds no others.
      const disks = await kubectl.objects(['get', 'persistentvolumeclaims']);
      const secrets = await kubectl.objects(['get', 'secrets', `--selector=${selectorOf(profile, PART_OF)}`]);
      kept = [...disks, ...secrets].map(nameOf);
      live.log(
        `kept the namespace ${namespace}, ${count(disks, 'disk')} and ${count(secrets, 'Secret')}; npm run up -- --profile ${name} uses them again`,
      );
    }
    if (json) console.log(JSON.stringify({ profile: name, context, removed, kept }));
  });

/** Deletes the objects of the profile, except those that hold data. Returns their names. */
export async function deleteObjects(kubectl: Kubectl, profile: Profile): Promise<readonly string[]> {
  const objects = [...profile.objects, ...profile.smoke].filter(({ kind }) => !KEPT.includes(kind));
  const flags = ['--ignore-not-found', '--wait=false', '--output=name'];
  // In reverse, so that the policies that deny by default go last, after the pods that they protect.
  const call = { stdin: listOf(objects.toReversed()), seconds: TIMEOUTS.write };
  const removed = await kubectl.run(['delete', '--filename=-', ...flags], call);
  // Jobs of other releases have other names.
  const jobs = await kubectl.run(['delete', 'jobs', `--selector=${selectorOf(profile, PART_OF, MANAGED_BY)}`, ...flags]);
  return `${removed}\n${jobs}`.split('\n').filter(Boolean);
}

/** A label selector with the values that the profile's settings give these labels. */
function selectorOf({ settings }: Profile, ...keys: readonly string[]): string {
  return keys.map((key) => `${key}=${settings.shared.labels[key]}`).join(',');
}

const count = ({ length }: readonly Manifest[], noun: string): string => `${length} ${noun}${length === 1 ? '' : 's'}`;

/** Reads a line from a person, or from a script through a pipe. */
async function typedLine(question: string): Promise<string> {
  if (process.stdin.isTTY) return ask(question, '');
  let typed = '';
  for await (const chunk of process.stdin) typed += chunk;
  return typed.trim();
}

/** Waits until the platform has no pod left. */
async function waitForPods(kubectl: Kubectl, live: Live, timeout: number, partOf: string | undefined): Promise<void> {
  const end = performance.now() + timeout * 1000;
  await watch(kubectl, { pods: RESOURCES.pods }, async (objects) => {
    for (; ; await pause(500)) {
      const pods = objects().flatMap(({ metadata }) => (metadata.labels?.[PART_OF] === partOf ? [metadata.name] : []));
      live.update(new Map(pods.map((name) => [name, { text: `… ${name} is terminating` }])));
      if (pods.length === 0) return live.done();
      if (performance.now() > end)
        throw new UserError(`after ${timeout} s these pods still run: ${pods.join(', ')}; kubectl describe pod shows why`);
    }
  });
}
