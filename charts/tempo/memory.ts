import type { Size } from 'cdk8s';

/** Tempo's memory settings. */
interface TempoMemory {
  /** Maximum size of live traces in bytes; above it, senders have to wait. Tempo's default: 250 MB. */
  readonly liveTraces: number;
  /** Size of a row group, the unit of writing and compacting blocks, in bytes. Tempo's default: 100 MB. */
  readonly rowGroup: number;
  /** Concurrent queries, each of which reads pages of several blocks. Tempo's default: 20. */
  readonly queries: number;
}

/**
 * Tempo's settings for a container's limit: an eighth for live traces, a twentieth for a row group. Compaction, which reads several
 * blocks at once, the metrics generator, queries and the Go runtime need the rest.
 */
export function tempoMemory(limit: Size): TempoMemory {
  const mebibytes = limit.toMebibytes();
  return {
    liveTraces: Math.min(250_000_000, Math.floor(mebibytes / 8) * 2 ** 20),
    rowGroup: Math.min(100_000_000, Math.floor(mebibytes / 20) * 2 ** 20),
    queries: Math.min(20, Math.max(2, Math.floor(mebibytes / 100))),
  };
}
