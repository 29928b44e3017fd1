import type { Size } from 'cdk8s';

/** What Tempo may hold in memory, by its own settings. */
interface TempoMemory {
  /** Bytes of live traces from which on Tempo asks senders to wait. Tempo's default: 250 MB. */
  readonly liveTraces: number;
  /** Bytes of a row group, the unit in which blocks are written and compacted. Tempo's default: 100 MB. */
  readonly rowGroup: number;
  /** Queries at one time, each of which reads pages of several blocks. Tempo's default: 20. */
  readonly queries: number;
}

/**
 * Tempo's settings for a container of this size: an eighth for live traces, a twentieth for a row group. Compaction reads
 * several blocks at once, and the metrics generator, the queries and the Go runtime need the rest.
 */
export function tempoMemory(limit: Size): TempoMemory {
  const mebibytes = limit.toMebibytes();
  return {
    liveTraces: Math.min(250_000_000, Math.floor(mebibytes / 8) * 2 ** 20),
    rowGroup: Math.min(100_000_000, Math.floor(mebibytes / 20) * 2 ** 20),
    queries: Math.min(20, Math.max(2, Math.floor(mebibytes / 100))),
  };
}
