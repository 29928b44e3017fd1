import { claimTemplates } from '../lib/render.ts';
import type { Finding, Platform } from './platform.ts';

/** Names, selectors, claim templates and governing Services are those of the list: the API refuses another, or a disk is left behind. */
export function* immutable(platform: Platform): Iterable<Finding> {
  const fix = 'keep it; if it must change, change charts/immutable.ts too and say there how the data moves';
  for (const { object } of platform.workloads) {
    if (object.kind === 'Job') continue;
    const name = object.metadata.labels?.['app.kubernetes.io/name'] ?? '';
    const entry = platform.facts.immutable[name];
    if (!entry) {
      yield {
        object,
        field: 'metadata.name',
        wrong: `"${name}" is not in the list of what is immutable`,
        fix: 'add it to charts/immutable.ts: from its first release on it stays',
      };
      continue;
    }
    const instance = object.metadata.name;
    if (instance !== name && !instance.startsWith(`${name}-`))
      yield { object, field: 'metadata.name', wrong: `it is no name of "${name}"`, fix };
    const selector = JSON.stringify(Object.entries<string>(object.spec.selector.matchLabels).sort());
    const expected = JSON.stringify([
      ['app.kubernetes.io/instance', instance],
      ['app.kubernetes.io/name', name],
    ]);
    if (selector !== expected) yield { object, field: 'spec.selector', wrong: `it is ${selector}, not ${expected}`, fix };
    if (object.kind !== 'StatefulSet') continue;
    if (object.spec.serviceName !== entry.serviceName)
      yield { object, field: 'spec.serviceName', wrong: `it is ${object.spec.serviceName}, not ${entry.serviceName}`, fix };
    const claims = claimTemplates(object).map(({ metadata, spec }) => `${metadata.name} ${spec.accessModes.join(' ')}`);
    if (claims.join() !== (entry.claims ?? []).join())
      yield { object, field: 'spec.volumeClaimTemplates', wrong: `they are [${claims}], not [${entry.claims ?? []}]`, fix };
  }
}
