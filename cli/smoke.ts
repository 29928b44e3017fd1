import { setTimeout as pause } from 'node:timers/promises';
import { podOf } from '../lib/render.ts';
import { apply, listOf } from './cluster.ts';
import type { Command } from './command.ts';
import { confirmedContext } from './confirm.ts';
import { Kubectl } from './kubectl.ts';
import { Live } from './output.ts';
import { type Profile, profileOf } from './profile.ts';
import { type CheckResult, line, summary } from './smoke/check-result.ts';
import { drift } from './smoke/drift.ts';
import { followJob } from './smoke/job.ts';
import { PROBE_PODS } from './smoke/paths.ts';
import { checkPaths } from './smoke/probe-pods.ts';
import type { SmokeRun } from './smoke/run.ts';
import { UserError } from './user-error.ts';

/** Checks that a running platform does what it promises. */
export const smoke: Command = {
  summary: 'sends a task through everything, and proves what the platform promises',
  help: `Runs a Job in the namespace, and short-lived pods that try every port in each component's place. Removes them afterwards, also
after Ctrl-C, and everything that they wrote except a trace and its log line. Exits with 1 when a check failed. A check that does not
apply to this cluster or this app is skipped, which is no failure.

  npm run smoke -- --profile dev
  npm run smoke -- --profile prod --context production --json`,
  options: {},
  async run(values) {
    const started = performance.now();
    const profile = profileOf(values.profile);
    const context = await confirmedContext(
      values.context,
      (each) => `a Job and some pods run for a minute in the cluster of context "${each}", in ${profile.namespace}`,
    );
    const kubectl = new Kubectl(context, profile.namespace);
    const live = new Live(values.json === true);
    if ((await kubectl.run(['get', 'namespace', profile.namespace, '--ignore-not-found', '--output=name'])).trim() === '')
      throw new UserError(`the namespace ${profile.namespace} does not exist: npm run up -- --profile ${profile.name}`);

    const checks: CheckResult[] = [];
    const controller = new AbortController();
    const report = (...results: readonly CheckResult[]) => {
      if (controller.signal.aborted) return;
      checks.push(...results);
      for (const result of results) live.say(line(result, context));
    };
    const interrupted = new Promise<never>((_, reject) => {
      for (const signal of ['SIGINT', 'SIGTERM'] as const)
        process.once(signal, () => reject(new UserError('interrupted: what it made is removed')));
    });
    const work = runChecks({ kubectl, profile, report, signal: controller.signal }, checks);
    try {
      await Promise.race([work, interrupted]);
    } finally {
      controller.abort();
      // Objects that are being created can be deleted only afterwards.
      await Promise.race([work.catch(() => undefined), pause(20_000)]);
      await remove(kubectl, profile);
    }

  const well = checks.every(({ state }) => state !== 'failed');
  const seconds = (performance.now() - started) / 1000;
  if (values.json) console.log(JSON.stringify({ profile: profile.name, context, well, seconds, checks }));
  else live.log(summary(checks, seconds));
  process.exitCode = well ? 0 : 1;
});

async function runChecks(run: SmokeRun, checks: readonly CheckResult[]): Promise<void> {
  await remove(run.kubectl, run.profile);
  if (run.signal.aborted) return;
  // The probe pods use the Job's service account.
  await apply(run.kubectl, run.profile.smoke, true);
  // The probe pods start after the Job, which takes longest: on a small node they would delay it.
  let onStart = () => {};
  const jobStarted = new Promise<void>((resolve) => {
    onStart = resolve;
  });
  const job = followJob(run, onStart).finally(onStart);
  const [paths, ...others] = await Promise.allSettled([jobStarted.then(() => checkPaths(run)), job, drift(run)]);
  for (const each of [paths, ...others]) if (each.status === 'rejected') throw each.reason;
  // Stand-ins are known only now that the Job has ended.
  const standins = [...new Set(checks.flatMap((check) => check.standins))].sort();
  if (paths.status === 'fulfilled') run.report(...paths.value.map((check) => ({ ...check, standins })));
}

/** Deletes the objects of the smoke test, its pods first, and waits until they are gone. */
async function remove(kubectl: Kubectl, { smoke }: Profile): Promise<void> {
  const wait = ['--ignore-not-found', '--cascade=foreground', '--timeout=40s'];
  const deleteAll = (kind: string, selector: string) => kubectl.run(['delete', kind, `--selector=${selector}`, ...wait], { seconds: 50 });
  await Promise.all([deleteAll('jobs', 'app.kubernetes.io/name=smoke'), deleteAll('pods', PROBE_PODS)]);
  await kubectl.run(['delete', '--filename=-', ...wait], { stdin: listOf(smoke.filter((each) => !podOf(each))), seconds: 50 });
}
