import { Size } from 'cdk8s';

/**
 * The container's limit for that much memory for keys, which maxmemory counts without the process itself, its buffers and
 * fragmentation. A Redis with a disk forks to save: while clients write, the kernel copies up to all of it.
 */
export function containerMemory(maxmemory: Size, saves: boolean): Size {
  return Size.mebibytes(Math.ceil(maxmemory.toMebibytes() * (saves ? 2 : 1.25)) + 32);
}
