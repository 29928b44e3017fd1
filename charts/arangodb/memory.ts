import type { Size } from 'cdk8s';

/** What arangod may plan with; the rest is for threads, network buffers, open transactions and pages that jemalloc has not returned. */
const USABLE = 0.7;

/** Shares of the memory that remains after JavaScript's. */
const SHARES = { blockCache: 0.35, writeBuffers: 0.2, indexCaches: 0.1, queries: 0.35 };

/**
 * arangod's memory, from the container's limit. 3.11 detects the node's memory instead of the limit, and its defaults then claim
 * 1 GiB of caches for 1 GiB (256 MiB of blocks, 512 of write buffers, 256 of indexes) and allow queries 81 % more.
 * Sources: the option reference of 3.11, and "Reducing the Memory Footprint of ArangoDB servers" of the same release.
 */
export function memory(limit: Size): { readonly detected: string; readonly options: readonly string[] } {
  const total = limit.toMebibytes();
  // Only the web interface runs JavaScript: two contexts of 512 MiB are recommended for that, one of 256 is the documented least.
  const javascript = Math.min(total / 4, 1024);
  const contexts = javascript < 512 ? 1 : 2;
  const rest = total * USABLE - javascript;
  const mebibytes = (amount: number) => `${Math.floor(amount)}MiB`;
  const queries = rest * SHARES.queries;
  return {
    detected: mebibytes(total * USABLE),
    options: [
      `--rocksdb.block-cache-size=${mebibytes(rest * SHARES.blockCache)}`,
      // What RocksDB needs to read and write tables comes out of the block cache instead of on top of it: the default from 3.12 on.
      '--rocksdb.reserve-table-builder-memory=true',
      '--rocksdb.reserve-table-reader-memory=true',
      '--rocksdb.reserve-file-metadata-memory=true',
      // There are ten column families, and each has at least one buffer. arangod refuses a total below 64 MiB.
      `--rocksdb.total-write-buffer-size=${mebibytes(rest * SHARES.writeBuffers)}`,
      `--rocksdb.write-buffer-size=${mebibytes(Math.min((rest * SHARES.writeBuffers) / 10, 64))}`,
      `--cache.size=${mebibytes(rest * SHARES.indexCaches)}`,
      `--query.global-memory-limit=${mebibytes(queries)}`,
      // By default, one query may use three quarters of what all may.
      `--query.memory-limit=${mebibytes(queries * 0.75)}`,
      `--javascript.v8-contexts=${contexts}`,
      `--javascript.v8-max-heap=${Math.floor(javascript / contexts)}`,
    ],
  };
}
