import { amountOf } from '../lib/quantity.ts';
import type { Finding, Platform } from './platform.ts';

/** Every container has requests and limits, and no request above its limit. */
export function* resources(platform: Platform): Iterable<Finding> {
  for (const { object, pod } of platform.workloads) {
    for (const [at, { resources }] of pod.containers.entries()) {
      for (const kind of ['cpu', 'memory', 'ephemeral-storage']) {
        const [request, limit] = [resources?.requests?.[kind], resources?.limits?.[kind]];
        const field = `spec.template.spec.containers[${at}].resources`;
        if (!request || !limit) yield { object, field, wrong: `it has no ${request ? 'limit' : 'request'} for ${kind}`, fix: 'state both' };
        else if (amountOf(request) > amountOf(limit))
          yield {
            object,
            field,
            wrong: `it requests ${request} ${kind} and may use ${limit}`,
            fix: 'raise the limit, or lower the request',
          };
      }
    }
  }
}
