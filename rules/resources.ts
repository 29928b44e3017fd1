import { amountOf } from '../lib/quantity.ts';
import type { Finding, Platform } from './platform.ts';

/** Every container has requests and limits, and no request exceeds its limit. */
export function* resources(platform: Platform): Iterable<Finding> {
  for (const { object, containers } of platform.workloads) {
    for (const { container, field } of containers) {
      const at = { object, field: `${field}.resources` };
      for (const kind of ['cpu', 'memory', 'ephemeral-storage']) {
        const [request, limit] = [container.resources?.requests?.[kind], container.resources?.limits?.[kind]];
        if (!request || !limit) yield { ...at, wrong: `it has no ${request ? 'limit' : 'request'} for ${kind}`, fix: 'set both' };
        else if (amountOf(request) > amountOf(limit))
          yield {
            ...at,
            wrong: `the request of ${request} ${kind} exceeds the limit of ${limit}`,
            fix: 'raise the limit, or lower the request',
          };
      }
    }
  }
}
