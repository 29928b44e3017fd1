import { setTimeout as pause } from 'node:timers/promises';
import type { Manifest } from '../lib/render.ts';
import { listOf, nameOf, snapshot } from './cluster.ts';
import type { Command } from './command.ts';
import { confirmedContext } from './confirm.ts';
import { contextOf, Kubectl } from './kubectl.ts';
import { ask, Live } from './output.ts';
import { profileOf } from './profile.ts';
import { UserError } from './user-error.ts';

/** What holds data or opens it, and the namespace that holds these. */
const KEPT = ['PersistentVolumeClaim', 'Namespace'];
/** Everything that this project has made, of this release or a former one. */
const OURS = 'app.kubernetes.io/part-of=platform,app.kubernetes.io/managed-by=cdk8s';

/** Removes what `up` applied. */
export const down: Command = {
  summary: 'removes what up applied; keeps disks, Secrets and the namespace',
  help: `  --purge              removes disks, Secrets and the namespace too, once the profile's name is typed
  --timeout SECONDS    how long pods may take to end                          (default: 600)

  npm run down -- --profile dev
  npm run down -- --profile dev --purge`,
  options: { purge: { type: 'boolean' }, timeout: { type: 'string', default: '600' } },
  async run(values) {
    const profile = profileOf(values.profile);
    const timeout = Number(values.timeout);
    if (!(timeout > 0)) throw new UserError(`--timeout ${values.timeout}: give a number of seconds`);
    // The name that is typed is an answer too.
    const what = (each: string) => `${profile.name} is removed from the cluster of context "${each}"`;
    const context = await (values.purge ? contextOf(values.context) : confirmedContext(values.context, what));
    const kubectl = new Kubectl(context, profile.namespace);
    const live = new Live(values.json === true);
    if (values.purge) {
      const typed = await typedName(
        `--purge removes every disk and Secret of ${profile.name} in context "${context}". Type the profile's name: `,
      );
      if (typed !== profile.name) throw new UserError(`that is not "${profile.name}": nothing was removed`);
    }

    const all = [...profile.objects, ...profile.smoke];
    // The default policies go last: until then nothing that still runs is open to others.
    const goes = all.filter(({ kind }) => !KEPT.includes(kind)).toReversed();
    const said = await kubectl.run(['delete', '--filename=-', '--ignore-not-found', '--wait=false', '--output=name'], {
      stdin: listOf(goes),
      seconds: 120,
    });
    const jobs = await kubectl.run(['delete', 'jobs', `--selector=${OURS}`, '--wait=false', '--output=name']);
    const removed = `${said}${jobs}`.split('\n').filter(Boolean);
    live.say(removed.length === 0 ? 'there was nothing to remove' : `removes ${removed.length} objects`);
    await gone(kubectl, live, timeout);

    let kept: readonly string[] = [];
    if (values.purge) {
      await kubectl.run(['delete', 'namespace', profile.namespace, '--ignore-not-found', `--timeout=${timeout}s`], {
        seconds: timeout + 10,
      });
      live.say(`removed the namespace ${profile.namespace} with its disks and Secrets`);
    } else {
      // The disks of StatefulSets have no labels: those of the namespace are all the platform's.
      const claims = await kubectl.objects(['get', 'persistentvolumeclaims']);
      const left = [...claims, ...(await kubectl.objects(['get', 'secrets', '--selector=app.kubernetes.io/part-of=platform']))];
      kept = left.map(nameOf);
      live.say(
        `kept: the namespace ${profile.namespace}, ${count(left, 'PersistentVolumeClaim', 'disk')}, ${count(left, 'Secret', 'Secret')}; npm run up -- --profile ${profile.name} goes on with them`,
      );
    }
    if (values.json) console.log(JSON.stringify({ profile: profile.name, context, removed, kept }));
    return 0;
  },
};

function count(objects: readonly Manifest[], kind: string, word: string): string {
  const number = objects.filter((each) => each.kind === kind).length;
  return `${number} ${word}${number === 1 ? '' : 's'}`;
}

/** From a person, or from a script that pipes it in. */
async function typedName(question: string): Promise<string> {
  if (process.stdin.isTTY) return ask(question, '');
  let typed = '';
  for await (const chunk of process.stdin) typed += chunk;
  return typed.trim();
}

/** Waits until the last pod has ended. */
async function gone(kubectl: Kubectl, live: Live, timeout: number): Promise<void> {
  const end = performance.now() + timeout * 1000;
  for (;;) {
    const pods = (await snapshot(kubectl)).filter(
      ({ kind, metadata }) => kind === 'Pod' && metadata.labels?.['app.kubernetes.io/part-of'] === 'platform',
    );
    live.show(new Map(pods.map(({ metadata }) => [metadata.name, { text: `… ${metadata.name} ends` }])));
    if (pods.length === 0) break;
    if (performance.now() > end) {
      throw new UserError(
        `after ${timeout} s these pods have not ended: ${pods.map(({ metadata }) => metadata.name).join(', ')}; kubectl describe pod tells why`,
      );
    }
    await pause(500);
  }
  live.done();
}
