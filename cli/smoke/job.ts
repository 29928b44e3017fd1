import { setTimeout as pause } from 'node:timers/promises';
import { type Manifest, podOf } from '../../lib/render.ts';
import { snapshot } from '../cluster.ts';
import { diagnose } from '../diagnose.ts';
import type { Kubectl } from '../kubectl.ts';
import type { Profile } from '../profile.ts';
import { type CheckResult, parseLog } from './check-result.ts';

/** A run of the smoke test. */
export interface SmokeRun {
  readonly kubectl: Kubectl;
  readonly profile: Profile;
  /** Takes results as they come. */
  readonly report: (...checks: readonly CheckResult[]) => void;
  /** Aborted when the run ends early. */
  readonly signal: AbortSignal;
}

/** Grace period in seconds before a stuck Job fails the run. */
const STUCK = 15;

/** The Job among the objects of the smoke test. */
export function jobOf(smoke: readonly Manifest[]): Manifest {
  const job = smoke.find((manifest) => podOf(manifest));
  if (!job) throw new Error('the smoke test has no Job');
  return job;
}

/** Seconds after which the Job cannot end by itself any more: its deadline and its pod's grace period. */
export const longest = (job: Manifest): number => job.spec.activeDeadlineSeconds + job.spec.template.spec.terminationGracePeriodSeconds;

/** Reports the Job's checks as it prints them. Calls `onStart` at the first. */
export async function followJob({ kubectl, profile, report, signal }: SmokeRun, onStart: () => void): Promise<void> {
  const started = performance.now();
  const job = jobOf(profile.smoke);
  const { name } = job.metadata;
  for (let reported = 0; ; await pause(1000)) {
    // In this order, so that the log of a Job that has ended is complete.
    const objects = await snapshot(kubectl);
    const log = await kubectl.run(['logs', `job/${name}`, '--tail=-1'], { seconds: 10 }).catch(() => '');
    if (signal.aborted) return;
    const { checks, finished, others } = parseLog(log);
    report(...checks.slice(reported));
    reported = checks.length;
    if (reported > 0) onStart();
    if (finished) return;
    const { state, message, help } = diagnose(job, { objects }, profile.name);
    const seconds = (performance.now() - started) / 1000;
    if (state === 'ready' || (state === 'stuck' && (reported > 0 || seconds > STUCK)) || seconds > longest(job)) {
      const detail = [message || 'it ended without its totals', ...others.slice(-3), ...(help ? [help] : [])].join('; ');
      const command = `kubectl --namespace ${kubectl.namespace} describe job ${name}`;
      report({ name: 'the Job completes', state: 'failed', seconds, detail, command, standins: [] });
      return;
    }
  }
}
