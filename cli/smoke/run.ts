import { setTimeout as pause } from 'node:timers/promises';
import { podOf } from '../../lib/render.ts';
import { apply, listOf } from '../cluster.ts';
import type { Kubectl } from '../kubectl.ts';
import type { Profile } from '../profile.ts';
import { UserError } from '../user-error.ts';
import type { CheckResult } from './check-result.ts';
import { drift } from './drift.ts';
import { followJob, type SmokeRun } from './job.ts';
import { PROBE_PODS } from './paths.ts';
import { checkPaths } from './probe-pods.ts';

/** Runs all checks, prints each result as it comes, and removes what the run created, also after Ctrl-C. */
export async function runSmoke(kubectl: Kubectl, profile: Profile, print: (check: CheckResult) => void): Promise<readonly CheckResult[]> {
  const checks: CheckResult[] = [];
  const controller = new AbortController();
  const { signal } = controller;
  const report = (...results: readonly CheckResult[]) => {
    if (signal.aborted) return;
    checks.push(...results);
    results.forEach(print);
  };
  const interrupted = new Promise<never>((_, reject) => {
    for (const name of ['SIGINT', 'SIGTERM'] as const)
      process.once(name, () => reject(new UserError('interrupted: what it made is removed')));
  });
  const work = runChecks({ kubectl, profile, report, signal }, checks);
  try {
    await Promise.race([work, interrupted]);
  } finally {
    controller.abort();
    // Objects that are being created can be deleted only afterwards.
    await Promise.race([work.catch(() => undefined), pause(20_000)]);
    await remove(kubectl, profile);
  }
  return checks;
}

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
