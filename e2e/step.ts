import type { Cluster } from './cluster.ts';

/** A proof on a running cluster. */
export interface Step {
  readonly name: string;
  /** Only with --all: it takes long, or another step proves most of it. */
  readonly extra?: boolean;
  /** What it proved, a few words. Throws what it saw instead. */
  readonly run: (cluster: Cluster) => Promise<string>;
}
