import type { Size } from 'cdk8s';

/** Loki's memory settings, in MB. */
interface LokiMemory {
  /** Limit while replaying the write-ahead log; above it Loki flushes chunks. */
  readonly replay: number;
  /** Size of the chunk cache. Loki's default: 100. */
  readonly chunkCache: number;
  /** Size of each of five caches: query results, statistics, volumes, series and labels. Loki's default: 100. */
  readonly resultCache: number;
}

/** Loki's settings for a container's limit: a half for a replay, 5 % for chunks, 2.5 % for each of the five other caches. */
export function lokiMemory(limit: Size): LokiMemory {
  const mebibytes = limit.toMebibytes();
  return {
    replay: Math.floor(mebibytes / 2),
    chunkCache: Math.min(100, Math.floor(mebibytes / 20)),
    resultCache: Math.min(100, Math.floor(mebibytes / 40)),
  };
}
