import type { Cluster } from './cluster.ts';

/** One property of a running platform, proven on a cluster. */
export interface Proof {
  readonly name: string;
  /** Runs only with --all: it takes long, or another proof covers most of it. */
  readonly onlyWithAll?: boolean;
  /** Returns a short summary of the observations. Throws an Error that describes the failure. */
  readonly run: (cluster: Cluster) => Promise<string>;
}
