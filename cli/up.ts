import { setTimeout as pause } from 'node:timers/promises';
import colors from 'picocolors';
import { type AppliedObject, apply, snapshot, workloadsOf } from './cluster.ts';
import type { Command, Values } from './command.ts';
import { confirmedContext } from './confirm.ts';
import { type Diagnosis, diagnose } from './diagnose.ts';
import { contextOf, contexts, Kubectl } from './kubectl.ts';
import { Live } from './output.ts';
import { appToBring, createKind, inspect, loadIntoKind, nodesWithout, problems } from './preflight.ts';
import { type Profile, profileOf } from './profile.ts';
import { ensureSecrets } from './secrets.ts';
import { UserError } from './user-error.ts';
import { login, webUis } from './web-uis.ts';

/** Seconds before a stuck workload fails the run: a cluster may add a node, a person a Secret. */
const STUCK_TIMEOUT = 45;

/** Applies a profile and waits until all of it serves. */
export const up: Command = {
  summary: 'applies a profile, makes its Secrets, and shows it coming up',
  help: `  --timeout SECONDS    how long all may take to become ready                  (default: 600)
  --create             makes the kind cluster platform-PROFILE first, if it is not there
  --no-wait            applies, and does not wait
  --force              takes back fields that somebody else has set, such as by kubectl scale

Asks before it touches a cluster, unless the context is named by --context or is one for trying things out
(kind, k3d, minikube, docker-desktop…). Removes nothing. A second run changes nothing and says so.

  npm run up -- --profile dev
  npm run up -- --profile dev --create
  npm run up -- --profile prod --context production`,
  options: {
    timeout: { type: 'string', default: '600' },
    create: { type: 'boolean' },
    'no-wait': { type: 'boolean' },
    force: { type: 'boolean' },
  },
  async run(values) {
    const started = performance.now();
    const profile = profileOf(values.profile);
    const timeout = Number(values.timeout);
    if (!(timeout > 0)) throw new UserError(`--timeout ${values.timeout}: give a number of seconds`);
    const live = new Live(values.json === true);
    const context = await chosen(values, profile, live);
    const kubectl = new Kubectl(context, profile.namespace);

    live.say(`${profile.name}: looks at the cluster of context ${context}`);
    await prepare(kubectl, profile, live);

    const force = values.force === true;
    const changes = [...(await apply(kubectl, profile.setup, force))];
    if (!profile.settings.externalSecrets) {
      for (const [name, did] of await ensureSecrets(kubectl, profile)) {
        changes.push({ object: `Secret ${name}`, did: did === 'created' || did === 'unchanged' ? did : 'changed' });
      }
    }
    changes.push(...(await apply(kubectl, [...profile.platform, ...profile.externalSecrets], force)));
    live.say(summary(changes));

    const all = values['no-wait'] ? [] : await wait(kubectl, profile, live, timeout);
    const late = all.filter(({ state }) => state !== 'ready');
    const seconds = (performance.now() - started) / 1000;
    if (values.json) {
      console.log(
        JSON.stringify({
          profile: profile.name,
          context,
          seconds,
          changes: changes.filter(({ did }) => did !== 'unchanged'),
          workloads: all,
        }),
      );
    } else if (late.length === 0) live.say(ending(profile, kubectl, seconds, values['no-wait'] === true));
    else live.say(await trouble(late, kubectl));
    return late.length === 0 ? 0 : 1;
  },
};

/** The context to work with, once it may be. */
async function chosen(values: Values, profile: Profile, live: Live): Promise<string> {
  if (values.create) {
    const name = `platform-${profile.name}`;
    if (!(await contexts()).includes(`kind-${name}`)) {
      live.say(`makes the kind cluster ${name}`);
      await createKind(name);
    }
    return contextOf(`kind-${name}`);
  }
  return confirmedContext(values.context, (each) => `${profile.name} goes into the cluster of context "${each}"`);
}

/** Seconds until a kubelet tells of a new image: it looks every 30, and reports every 10. */
const IMAGE_REPORT_TIMEOUT = 45;

/** Sees to it that the profile can run there, or says everything that keeps it from that. */
async function prepare(kubectl: Kubectl, profile: Profile, live: Live): Promise<void> {
  let state = await inspect(kubectl, profile);
  const app = appToBring(profile);
  if (app && nodesWithout(app, state).length > 0) {
    if (kubectl.context.startsWith('kind-')) await loadIntoKind(app, kubectl.context, (line) => live.say(line));
    live.say(`looks for up to ${IMAGE_REPORT_TIMEOUT} s whether the nodes have ${app}: they tell of a new image with a delay`);
    for (
      const end = performance.now() + IMAGE_REPORT_TIMEOUT * 1000;
      performance.now() < end && nodesWithout(app, state).length > 0;
      await pause(1000)
    ) {
      state = await inspect(kubectl, profile);
    }
  }
  const found = [...problems(profile, state)];
  if (found.length > 0) throw new UserError(found.join('\n'));
}

function summary(changes: readonly AppliedObject[]): string {
  const count = (did: AppliedObject['did']) => changes.filter((change) => change.did === did).length;
  const changed = changes.filter(({ did }) => did === 'changed').map(({ object }) => object);
  if (count('created') + changed.length === 0) return `0 changes: all ${changes.length} objects are as they should be`;
  const names = changed.length > 0 && changed.length <= 8 ? ` (${changed.join(', ')})` : '';
  return `${count('created')} created, ${changed.length} changed${names}, ${count('unchanged')} as they were`;
}

/** How a workload is at the end, and after how many seconds it was ready. */
interface WorkloadOutcome extends Diagnosis {
  readonly seconds: number;
}

/** Shows every workload until all are ready, one is stuck for longer than STUCK_TIMEOUT, or the time is over. */
async function wait(kubectl: Kubectl, profile: Profile, live: Live, timeout: number): Promise<readonly WorkloadOutcome[]> {
  const start = performance.now();
  const passed = () => Math.round((performance.now() - start) / 1000);
  const workloads = workloadsOf(profile);
  const readyAfter = new Map<string, number>();
  const stuckSince = new Map<string, number>();
  for (;;) {
    const objects = await snapshot(kubectl);
    const all = workloads.map((workload) => diagnose(workload, { objects }, profile.name));
    for (const each of all) {
      if (each.state === 'ready') readyAfter.set(each.name, readyAfter.get(each.name) ?? passed());
      else readyAfter.delete(each.name);
      if (each.state === 'stuck') stuckSince.set(each.name, stuckSince.get(each.name) ?? passed());
      else stuckSince.delete(each.name);
    }
    live.show(new Map(all.map((each) => [each.name, line(each, readyAfter.get(each.name) ?? passed(), all)])));
    const stuck = [...stuckSince.values()].some((since) => passed() - since >= STUCK_TIMEOUT);
    if (all.every(({ state }) => state === 'ready') || stuck || passed() >= timeout) {
      live.done();
      return all.map((each) => ({ ...each, seconds: readyAfter.get(each.name) ?? passed() }));
    }
    await pause(500);
  }
}

const SIGNS = { ready: colors.green('✔'), waiting: colors.yellow('…'), stuck: colors.red('✖') };

function line({ name, ready, wanted, state, words }: Diagnosis, seconds: number, all: readonly Diagnosis[]) {
  const width = Math.max(...all.map((each) => each.name.length));
  const text = `${SIGNS[state]} ${name.padEnd(width)}  ${ready}/${wanted}`;
  // What it waits for comes last: it may be longer than the terminal is wide.
  if (state === 'ready') return { text, moving: colors.dim(`  ${seconds} s`) };
  return { text: process.stdout.isTTY ? text : `${text}  ${words}`, moving: `${colors.dim(`  ${seconds} s`)}  ${words}` };
}

/** What a person does next. */
function ending(profile: Profile, kubectl: Kubectl, seconds: number, unwaited: boolean): string {
  const head = unwaited ? 'applied; npm run status shows how it is' : `everything is ready, after ${seconds.toFixed(0)} s`;
  const shown = webUis.map(
    (webUi) =>
      `${colors.bold(webUi.name.padEnd(10))}npm run open -- ${webUi.name} --profile ${profile.name} --context ${kubectl.context}\n          ${login(webUi, kubectl)}`,
  );
  return [colors.green(head), '', ...shown].join('\n');
}

/** What keeps the rest from being ready, and what to do about it. */
async function trouble(late: readonly Diagnosis[], kubectl: Kubectl): Promise<string> {
  const parts = late.map(async ({ name, words, help, crashed }) => {
    const log = crashed ? await lastLines(kubectl, crashed) : [];
    return [`${colors.red(name)}: ${words}`, ...log.map((each) => colors.dim(`    ${each}`)), ...(help ? [`  → ${help}`] : [])].join('\n');
  });
  return [`not ready: ${late.length}; once that is fixed, up goes on from here`, ...(await Promise.all(parts))].join('\n');
}

async function lastLines(kubectl: Kubectl, { pod, container }: NonNullable<Diagnosis['crashed']>): Promise<readonly string[]> {
  const log = async (...more: readonly string[]) => {
    const said = await kubectl.run(['logs', pod, `--container=${container}`, '--tail=5', ...more]).catch(() => '');
    // What the kubelet says, with success, of a container that it has cleared away.
    return said.startsWith('unable to retrieve container logs') ? '' : said;
  };
  // The last one that ran; while the next is being made that one has no log yet.
  const said = (await log()) || (await log('--previous'));
  return said.split('\n').filter((each) => each.trim());
}
