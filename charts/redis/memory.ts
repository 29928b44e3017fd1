import { Size } from 'cdk8s';

/**
 * The container's limit for a maxmemory, which does not include the process, its buffers and fragmentation.
 * A Redis that `saves` forks, and the kernel copies up to all of the memory that clients write meanwhile.
 */
export function containerMemory(maxmemory: Size, saves: boolean): Size {
  return Size.mebibytes(Math.ceil(maxmemory.toMebibytes() * (saves ? 2 : 1.25)) + 32);
}
