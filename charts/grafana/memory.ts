import { Size } from 'cdk8s';
import { goMemoryLimit } from '../../lib/pod.ts';

/** MiB of one data source plugin: 22 to 38 in a public measurement of Grafana 13.2.3. */
const PLUGIN = 38;

/**
 * Go's soft memory limit for Grafana itself, when `plugins` data source plugins run in the same container.
 * Each plugin is a process of its own, and since 12.4 Grafana does not pass it this variable: its memory is set aside first.
 */
export function grafanaMemory(limit: Size, plugins: number): { readonly GOMEMLIMIT: string } {
  return goMemoryLimit(Size.mebibytes(limit.toMebibytes() - plugins * PLUGIN));
}
