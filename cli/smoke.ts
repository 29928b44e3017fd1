import { setTimeout as pause } from 'node:timers/promises';
import { type Manifest, podOf } from '../lib/render.ts';
import { apply, listOf, snapshot } from './cluster.ts';
import { command } from './command.ts';
import { confirmedContext } from './confirm.ts';
import { diagnose } from './diagnose.ts';
import { Kubectl } from './kubectl.ts';
import { Live } from './output.ts';
import { type Profile, profileOf } from './profile.ts';
import { readers } from './secrets/generate.ts';
import { type CheckResult, line, parsed, summary } from './smoke/check-result.ts';
import { disks, lackingKeys } from './smoke/drift.ts';
import { CALLERS, graphOf, judge, type ProbeResult, podFor, probeResultOf, room } from './smoke/paths.ts';
import { UserError } from './user-error.ts';

/** Seconds after which a pod that tries the ports is given up. */
const PROBE_TIMEOUT = 50;
/** How the Job's last check begins. */
const LAST = 'smoke ';
const JOB = 'app.kubernetes.io/name=smoke';

/** Seconds after which the Job is given up: its own deadline, and what its pod may take to end. */
export const longest = (job: Manifest): number => job.spec.activeDeadlineSeconds + job.spec.template.spec.terminationGracePeriodSeconds;

/** What a run hands around. */
interface SmokeRun {
  readonly kubectl: Kubectl;
  readonly profile: Profile;
  /** What is known so far. */
  readonly checks: readonly CheckResult[];
  /** Takes a check as soon as it is known. */
  readonly found: (...checks: readonly CheckResult[]) => void;
  /** Whether nobody waits for it any more. */
  readonly over: () => boolean;
}

/** Proves that a running platform does what it promises. */
export const smoke = command(
  'smoke',
  'send a task through everything, and prove what the platform promises',
  `Runs a Job in the namespace, and short-lived pods that try every port as another
workload; removes both, also after Ctrl-C. Its data goes with it, except a trace
and its log line. The exit status is 1 if a check failed; a check that this
cluster cannot answer is reported and is no failure.

  npm run smoke -- --profile dev
  npm run smoke -- --profile prod --context production --json`,
).action(async (values) => {
  const started = performance.now();
  const profile = profileOf(values.profile);
  const context = await confirmedContext(
    values.context,
    (each) => `a Job and some pods run for a minute in the cluster of context "${each}", in ${profile.namespace}`,
  );
  const kubectl = new Kubectl(context, profile.namespace);
  const live = new Live(values.json === true);
  if ((await kubectl.run(['get', 'namespace', profile.namespace, '--ignore-not-found', '--output=name'])).trim() === '')
    throw new UserError(`the namespace ${profile.namespace} is not there: npm run up -- --profile ${profile.name}`);

  const checks: CheckResult[] = [];
  let over = false;
  const found = (...more: readonly CheckResult[]) => {
    if (over) return;
    checks.push(...more);
    for (const check of more) live.log(line(check, context));
  };
  const interrupted = new Promise<never>((_, fail) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.once(signal, () => fail(new UserError('interrupted: what it made is removed')));
  });
  const work = everything({ kubectl, profile, checks, found, over: () => over });
  try {
    await Promise.race([work, interrupted]);
  } finally {
    over = true;
    // What is being made right now could not be removed yet.
    await Promise.race([work.catch(() => undefined), pause(20_000)]);
    await removed(kubectl, profile);
  }

  const well = checks.every(({ state }) => state !== 'failed');
  const seconds = (performance.now() - started) / 1000;
  if (values.json) console.log(JSON.stringify({ profile: profile.name, context, well, seconds, checks }));
  else live.log(summary(checks, seconds));
  process.exitCode = well ? 0 : 1;
});

async function everything(run: SmokeRun): Promise<void> {
  await removed(run.kubectl, run.profile);
  if (run.over()) return;
  // The pods that try the ports run as the Job's account.
  await apply(run.kubectl, run.profile.smoke, true);
  // The Job takes longest: on a small node the pods beside it would hold up its start.
  let begun = () => {};
  const start = new Promise<void>((done) => {
    begun = done;
  });
  const inside = fromInside(run, begun).finally(begun);
  const [network, ...others] = await Promise.allSettled([start.then(() => paths(run)), inside, drift(run)]);
  for (const each of [network, ...others]) if (each.status === 'rejected') throw each.reason;
  // Who stands in for a product is known once the Job has ended.
  const standins = [...new Set(run.checks.flatMap((check) => check.standins))].sort();
  if (network.status === 'fulfilled') run.found(...network.value.map((check) => ({ ...check, standins })));
}

/** Deletes the folder's objects and the pods that tried the ports, and waits until they have ended. */
async function removed(kubectl: Kubectl, { smoke }: Profile): Promise<void> {
  const wait = ['--ignore-not-found', '--cascade=foreground', '--timeout=40s'];
  await Promise.all([
    kubectl.run(['delete', 'jobs', `--selector=${JOB}`, ...wait], { seconds: 50 }),
    kubectl.run(['delete', 'pods', `--selector=${CALLERS}`, ...wait], { seconds: 50 }),
  ]);
  await kubectl.run(['delete', '--filename=-', ...wait], { stdin: listOf(smoke.filter((each) => !podOf(each))), seconds: 50 });
}

/** What the Job sees: its lines as they come, and why it could not go on. `begun` is called when there are some. */
async function fromInside({ kubectl, profile, found, over }: SmokeRun, begun: () => void): Promise<void> {
  const started = performance.now();
  const job = profile.smoke.find((manifest) => podOf(manifest)) as Manifest;
  const { name } = job.metadata;
  let known = 0;
  for (;;) {
    const objects = await snapshot(kubectl);
    const { state, message, help } = diagnose(job, { objects }, profile.name);
    const log = await kubectl.run(['logs', `job/${name}`, '--tail=-1'], { seconds: 10 }).catch(() => '');
    if (over()) return;
    const { checks, rest } = parsed(log);
    found(...checks.slice(known));
    known = checks.length;
    if (known > 0) begun();
    if (checks.at(-1)?.name.startsWith(LAST)) return;
    const seconds = (performance.now() - started) / 1000;
    const ended = state === 'ready' || (state === 'stuck' && known > 0);
    if (ended || seconds > longest(job) || (state === 'stuck' && seconds > 15)) {
      const saw = [message || 'it ended before its last check', ...rest.slice(-3), ...(help ? [help] : [])].join('; ');
      const more = `kubectl --namespace ${kubectl.namespace} describe job ${name}`;
      found({ name: 'the Job runs to its end', state: 'failed', seconds, saw, more, standins: [] });
      return;
    }
    await pause(1000);
  }
}

/** Who reaches whom. */
async function paths({ kubectl, profile, over }: SmokeRun): Promise<readonly CheckResult[]> {
  const started = performance.now();
  const graph = graphOf(profile);
  const [there, quotas, policies] = await Promise.all([
    kubectl.objects(['get', 'services,endpointslices']),
    kubectl.objects(['get', 'resourcequotas']),
    kubectl.objects(['get', 'networkpolicies']),
  ]);
  const job = profile.smoke.find((manifest) => podOf(manifest)) as Manifest;
  const size = room(quotas, job);
  const waiting = [...graph.callers];
  const answers = new Map<string, ProbeResult>();
  if (size === 0) for (const { name } of waiting.splice(0)) answers.set(name, 'the quota of the namespace has no room for it');
  while (waiting.length > 0 && !over()) {
    const batch = waiting.splice(0, size);
    const pods = batch.map((caller) => podFor(caller, graph, profile.smoke, there));
    await apply(kubectl, pods);
    for (const end = performance.now() + PROBE_TIMEOUT * 1000; performance.now() < end && !over(); await pause(500)) {
      const now = await kubectl.objects(['get', 'pods', `--selector=${CALLERS}`]);
      for (const [at, { name }] of batch.entries()) {
        const pod = now.find(({ metadata }) => metadata.name === pods[at]?.metadata.name);
        const answer = pod && probeResultOf(pod);
        if (answer !== undefined) answers.set(name, answer);
      }
      if (batch.every(({ name }) => answers.has(name))) break;
    }
    if (waiting.length > 0) await kubectl.run(['delete', 'pods', `--selector=${CALLERS}`, '--timeout=30s'], { seconds: 40 });
  }
  const names = new Set(policies.map(({ metadata }) => metadata.name));
  const expected = new Set(
    [...profile.objects, ...profile.smoke].flatMap(({ kind, metadata }) => (kind === 'NetworkPolicy' ? [metadata.name] : [])),
  );
  const differences = {
    missing: [...expected].filter((name) => !names.has(name)),
    foreign: [...names].filter((name) => !expected.has(name)),
  };
  return judge(graph, answers, differences, (performance.now() - started) / 1000);
}

/** Disks and Secrets, as the manifests state them. */
async function drift({ kubectl, profile, found }: SmokeRun): Promise<void> {
  const all = [...profile.objects, ...profile.smoke];
  const more = (what: string) => `kubectl --namespace ${kubectl.namespace} get ${what}`;

  const claims = await timed(() => kubectl.objects(['get', 'persistentvolumeclaims']));
  const { wrong, number } = disks(all, claims.value);
  found(resultOf('every disk is bound and as large as stated', claims.seconds, wrong, `${number} disks`, more('persistentvolumeclaims')));

  // Only names of keys: no value leaves the cluster.
  const template = '{{range .items}}{{.metadata.name}}{{range $key, $value := .data}} {{$key}}{{end}}{{"\\n"}}{{end}}';
  const secrets = await timed(() => kubectl.run(['get', 'secrets', `--output=go-template=${template}`]));
  const read = [...new Set(readers(all).map(({ secret, key }) => `${secret}/${key}`))];
  const lacking = lackingKeys(read, secrets.value).map((key) => `${key} is not there`);
  found(resultOf('every Secret has the keys that pods read', secrets.seconds, lacking, `${read.length} keys`, more('secrets')));
}

async function timed<Value>(question: () => Promise<Value>): Promise<{ readonly value: Value; readonly seconds: number }> {
  const started = performance.now();
  return { value: await question(), seconds: (performance.now() - started) / 1000 };
}

function resultOf(name: string, seconds: number, wrong: readonly string[], well: string, more: string): CheckResult {
  const failed = wrong.length > 0;
  return { name, state: failed ? 'failed' : 'ok', seconds, saw: failed ? wrong.join('; ') : well, standins: [], ...(failed && { more }) };
}
