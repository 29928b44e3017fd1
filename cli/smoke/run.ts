import type { Kubectl } from '../kubectl.ts';
import type { Profile } from '../profile.ts';
import type { CheckResult } from './check-result.ts';

/** A run of the smoke test. */
export interface SmokeRun {
  readonly kubectl: Kubectl;
  readonly profile: Profile;
  /** Prints results as they come. */
  readonly report: (...checks: readonly CheckResult[]) => void;
  /** Aborted when the run ends early. */
  readonly signal: AbortSignal;
}
