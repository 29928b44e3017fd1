import type { Edit, Manifests } from './manifests.ts';
import type { ProgramName } from './programs.ts';
import type { Sandbox } from './sandbox.ts';

/** Seconds that a check may take unless it sets a limit of its own. */
export const DEFAULT_TIMEOUT = 180;

/** A promise of the manifests and its proof. */
export interface Check {
  /** The promise, in one sentence. */
  readonly name: string;
  /** Throws a sentence when the promise is not kept. */
  readonly run: (sandbox: Sandbox) => Promise<void>;
  /** Mistakes in the manifests that the check must find, each with the error that reports it. Proven with `--broken`. */
  readonly broken: Fault | readonly Fault[];
  /** Whether the check applies to the profile. @default - it applies to every profile */
  readonly when?: (manifests: Manifests) => boolean;
  /** @default DEFAULT_TIMEOUT */
  readonly timeoutSeconds?: number;
}

/** A mistake in the manifests and the error that it causes. */
export interface Fault {
  readonly edit: Edit;
  readonly error: RegExp;
}

/** The checks of one service. */
export interface Suite {
  readonly name: string;
  /** The programs that the checks run, the service itself first. */
  readonly programs: readonly [ProgramName, ...ProgramName[]];
  /** Whether only the names of the settings are checked, without running the service. */
  readonly keysOnly?: boolean;
  readonly checks: readonly Check[];
}
