import { Size } from 'cdk8s';
import { goMemoryLimit } from '../../lib/pod.ts';

/** Memory of a data source plugin in MiB: 22 to 38 in a public measurement of Grafana 13.2.3. */
const PLUGIN = 38;

/**
 * Go's soft memory limit for Grafana's own process. Each data source plugin is another process in the container, to which Grafana
 * does not pass this variable since 12.4: the memory of `plugins` plugins is reserved first.
 */
export function grafanaMemory(limit: Size, plugins: number): { readonly GOMEMLIMIT: string } {
  return goMemoryLimit(Size.mebibytes(limit.toMebibytes() - plugins * PLUGIN));
}
