import type { Size } from 'cdk8s';

/** What Loki may hold in memory, in MB, by its own settings. */
interface LokiMemory {
  /** While the write-ahead log is replayed; beyond, Loki flushes chunks. */
  readonly replay: number;
  /** The cache of chunks. Loki's default: 100. */
  readonly chunkCache: number;
  /** Each of five caches: of query results, statistics, volumes, series and labels. Loki's default: 100. */
  readonly resultCache: number;
}

/** Loki's settings for a container of this size: half for a replay, a twentieth for chunks, an eighth for the five caches of results. */
export function lokiMemory(limit: Size): LokiMemory {
  const mebibytes = limit.toMebibytes();
  return {
    replay: Math.floor(mebibytes / 2),
    chunkCache: Math.min(100, Math.floor(mebibytes / 20)),
    resultCache: Math.min(100, Math.floor(mebibytes / 40)),
  };
}
