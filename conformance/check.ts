import type { Manifest } from '../lib/render.ts';
import type { ProgramName } from './programs.ts';
import type { Sandbox } from './sandbox.ts';

/** A promise of the manifests, and how to see it kept. */
export interface Check {
  /** A sentence about the product: `refuses a wrong password`. */
  readonly name: string;
  /** Throws a sentence when it is not kept. */
  readonly run: (sandbox: Sandbox) => Promise<void>;
  /** A mistake in the manifests that this check is there to find, and what it says then: `--broken` sees it found. */
  readonly broken?: { readonly by: (manifests: readonly Manifest[]) => void; readonly says: RegExp };
  /** Whether the profile has what this asks about. @default - every one has */
  readonly when?: (manifests: readonly Manifest[]) => boolean;
  /** Seconds after which it has failed. @default 60 */
  readonly within?: number;
}

/** A service of the platform and what is asked of it. */
export interface Service {
  readonly name: string;
  /** What its checks run; the first of them is the service itself. */
  readonly programs: readonly [ProgramName, ...ProgramName[]];
  /** Only the names of its settings are checked; the program itself is not run. */
  readonly keysOnly?: boolean;
  readonly checks: readonly Check[];
}

/** Replaces text in a file of a ConfigMap. Throws when there is nothing to replace. */
export function replaceIn(manifests: readonly Manifest[], configMap: string, file: string, from: string | RegExp, to: string): void {
  const found = manifests.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === configMap);
  const text: string = found?.data[file] ?? '';
  const changed = text.replace(from, to);
  if (!found || changed === text) throw new Error(`${configMap}/${file} does not hold ${from}`);
  found.data[file] = changed;
}

/** The pod's spec of a workload, to break it. */
function podSpecOf(manifests: readonly Manifest[], workload: string) {
  const found = manifests.find(({ spec, metadata }) => metadata.name === workload && spec?.template);
  if (!found) throw new Error(`dist/ has no workload ${workload}`);
  return found.spec.template.spec;
}

/** The containers of a workload's pod, to break one. */
export const containersOf = (manifests: readonly Manifest[], workload: string) => podSpecOf(manifests, workload).containers;

/** A shell that stands in front of a program, and keeps the signals to itself; a short grace period, to see it soon. */
export const behindShell = (workload: string, program: string) => (manifests: readonly Manifest[]) => {
  const pod = podSpecOf(manifests, workload);
  pod.terminationGracePeriodSeconds = 5;
  pod.containers[0].command = ['sh', '-c', `${program} "$@"; true`, 'sh'];
};
