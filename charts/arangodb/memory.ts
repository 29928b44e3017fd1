import type { Size } from 'cdk8s';

/** The share of the limit for caches, queries and JavaScript; the rest is for threads, buffers, transactions and unreturned pages. */
const USABLE = 0.7;

/** Shares of the usable memory that remains after JavaScript's. */
const SHARES = { blockCache: 0.35, writeBuffers: 0.2, indexCaches: 0.1, queries: 0.35 };

/**
 * arangod's memory options for a container's limit. 3.11 reads the node's memory instead of the limit; even with the right size, its
 * defaults for 1 GiB are 1 GiB of caches (256 MiB of blocks, 512 of write buffers, 256 of indexes) and 81 % more for queries.
 * Sources: the option reference and "Reducing the Memory Footprint of ArangoDB servers" of 3.11.
 */
export function memory(limit: Size): { readonly detected: string; readonly options: readonly string[] } {
  const total = limit.toMebibytes();
  // For the web interface: two contexts of 512 MiB are recommended, one of 256 MiB is the documented minimum.
  const javascript = Math.min(total / 4, 1024);
  const contexts = javascript < 512 ? 1 : 2;
  const rest = total * USABLE - javascript;
  const mebibytes = (amount: number) => `${Math.floor(amount)}MiB`;
  const queries = rest * SHARES.queries;
  return {
    detected: mebibytes(total * USABLE),
    options: [
      `--rocksdb.block-cache-size=${mebibytes(rest * SHARES.blockCache)}`,
      // Counts the memory for reading and writing tables towards the block cache: the default in 3.12.
      '--rocksdb.reserve-table-builder-memory=true',
      '--rocksdb.reserve-table-reader-memory=true',
      '--rocksdb.reserve-file-metadata-memory=true',
      // Each of the ten column families has at least one buffer. arangod refuses a total below 64 MiB.
      `--rocksdb.total-write-buffer-size=${mebibytes(rest * SHARES.writeBuffers)}`,
      `--rocksdb.write-buffer-size=${mebibytes(Math.min((rest * SHARES.writeBuffers) / 10, 64))}`,
      `--cache.size=${mebibytes(rest * SHARES.indexCaches)}`,
      `--query.global-memory-limit=${mebibytes(queries)}`,
      // arangod's default: 75 % of the global limit.
      `--query.memory-limit=${mebibytes(queries * 0.75)}`,
      `--javascript.v8-contexts=${contexts}`,
      `--javascript.v8-max-heap=${Math.floor(javascript / contexts)}`,
    ],
  };
}
