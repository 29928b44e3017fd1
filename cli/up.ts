import { setTimeout as pause } from 'node:timers/promises';
import colors from 'picocolors';
import { type AppliedObject, apply, RESOURCES } from './cluster.ts';
import { command, seconds } from './command.ts';
import { confirmedContext } from './confirm.ts';
import { createKind, loadIntoKind } from './kind.ts';
import { contextOf, contexts, Kubectl } from './kubectl.ts';
import { Live } from './output.ts';
import { inspect, localImageOf, nodesWithout, problems } from './preflight.ts';
import { type Profile, profileOf } from './profile.ts';
import { report, settle } from './progress.ts';
import { ensure } from './secrets/ensure.ts';
import { TIMEOUTS } from './timeouts.ts';
import { UserError } from './user-error.ts';
import { watch } from './watch.ts';
import { login, type WebUi, webUis } from './web-uis.ts';

/** Applies a profile and waits until all of its workloads are ready. */
export const up = command(
  'up',
  'apply a profile, create its Secrets, and show its workloads until they are ready',
  `Asks before it changes a cluster, unless --context names it or it is a local
test cluster (kind, k3d, minikube, docker-desktop, …). Removes nothing. A second
run changes nothing.

  npm run up -- --profile dev
  npm run up -- --profile dev --create
  npm run up -- --profile prod --context production`,
)
  .option('--timeout <seconds>', 'time limit for all workloads to become ready', seconds, TIMEOUTS.profile)
  .option('--create', 'create the kind cluster platform-PROFILE first, unless it exists')
  .option('--no-wait', 'apply, and do not wait')
  .option('--force', 'overwrite fields that another field manager has set, for example kubectl scale')
  .action(async ({ timeout, create = false, wait, force = false, json = false, ...options }) => {
    const started = performance.now();
    const profile = profileOf(options.profile);
    const live = new Live(json);
    const effect = (each: string) => `This applies ${profile.name} to the cluster of context "${each}"`;
    const context = await (create ? createdContext(profile, live) : confirmedContext(options.context, effect));
    const kubectl = new Kubectl(context, profile.namespace);

    live.log(`checking the cluster of context ${context}`);
    await check(kubectl, profile, live);
    const changes = await applyAll(kubectl, profile, force);
    live.log(summary(changes));

    const workloads = wait ? await watch(kubectl, RESOURCES, (objects) => settle(objects, profile, live, timeout)) : [];
    const late = workloads.filter(({ state }) => state !== 'ready');
    const total = (performance.now() - started) / 1000;
    if (json) {
      const changed = changes.filter(({ outcome }) => outcome !== 'unchanged');
      console.log(JSON.stringify({ profile: profile.name, context, seconds: total, changes: changed, workloads }));
    } else if (late.length > 0) live.log(await report(late, kubectl));
    else {
      live.log(colors.green(wait ? `all workloads are ready after ${total.toFixed(0)} s` : 'applied; npm run status shows the progress'));
      live.log(['', ...webUis.map((webUi) => nextStep(webUi, profile, kubectl))].join('\n'));
    }
    process.exitCode = late.length > 0 ? 1 : 0;
  });

/** The context of the kind cluster for this profile, which is created if it does not exist. */
async function createdContext({ name }: Profile, live: Live): Promise<string> {
  const cluster = `platform-${name}`;
  if (!(await contexts()).includes(`kind-${cluster}`)) {
    live.log(`creating the kind cluster ${cluster}`);
    await createKind(cluster);
  }
  return contextOf(`kind-${cluster}`);
}

/** Brings the reference app's image to a kind cluster, and throws a UserError with everything that keeps the profile from running. */
async function check(kubectl: Kubectl, profile: Profile, live: Live): Promise<void> {
  let state = await inspect(kubectl, profile);
  const image = localImageOf(profile);
  if (image && nodesWithout(image, state).length > 0) {
    if (kubectl.context.startsWith('kind-')) await loadIntoKind(image, kubectl.context, (line) => live.log(line));
    live.log(`waiting up to ${TIMEOUTS.imageReport} s for the nodes to report the image ${image}`);
    const end = performance.now() + TIMEOUTS.imageReport * 1000;
    for (; performance.now() < end && nodesWithout(image, state).length > 0; await pause(1000)) state = await inspect(kubectl, profile);
  }
  const found = [...problems(profile, state)];
  if (found.length > 0) throw new UserError(found.join('\n'));
}

/** Applies the namespace and its policies, then the Secrets, then the rest. */
async function applyAll(kubectl: Kubectl, profile: Profile, force: boolean): Promise<readonly AppliedObject[]> {
  const setup = await apply(kubectl, profile.setup, force);
  const outcomes = profile.settings.externalSecrets ? [] : [...(await ensure(kubectl, profile)).outcomes];
  const secrets = outcomes.map(([name, outcome]): AppliedObject => {
    return { object: `Secret ${name}`, outcome: typeof outcome === 'string' ? outcome : 'changed' };
  });
  return [...setup, ...secrets, ...(await apply(kubectl, [...profile.platform, ...profile.externalSecrets], force))];
}

function summary(changes: readonly AppliedObject[]): string {
  const objects = (wanted: AppliedObject['outcome']) => changes.filter(({ outcome }) => outcome === wanted).map(({ object }) => object);
  const [created, changed, unchanged] = [objects('created'), objects('changed'), objects('unchanged')];
  if (created.length + changed.length === 0) return `0 changes: all ${changes.length} objects are up to date`;
  const names = changed.length > 0 && changed.length <= 8 ? ` (${changed.join(', ')})` : '';
  return `${created.length} created, ${changed.length} changed${names}, ${unchanged.length} unchanged`;
}

/** How to open a web UI and log in to it. */
function nextStep(webUi: WebUi, { name }: Profile, kubectl: Kubectl): string {
  const open = `npm run open -- ${webUi.name} --profile ${name} --context ${kubectl.context}`;
  return `${colors.bold(webUi.name.padEnd(10))}${open}\n${' '.repeat(10)}${login(webUi, kubectl)}`;
}
