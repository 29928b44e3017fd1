import { claimTemplates } from '../lib/render.ts';
import type { Finding, Platform } from './platform.ts';

/** Names, selectors, claim templates and governing Services match charts/immutable.ts: the API rejects a change, or a disk is left behind. */
export function* immutable(platform: Platform): Iterable<Finding> {
  const fix = 'keep it; if it must change, change charts/immutable.ts too and describe there how the data moves';
  for (const { object } of platform.workloads) {
    if (object.kind === 'Job') continue;
    const name = object.metadata.labels?.['app.kubernetes.io/name'] ?? '';
    const entry = platform.facts.immutable[name];
    if (!entry) {
      yield {
        object,
        field: 'metadata.name',
        wrong: `"${name}" is not in charts/immutable.ts`,
        fix: 'add it there: its name must not change after the first release',
      };
      continue;
    }
    const instance = object.metadata.name;
    if (instance !== name && !instance.startsWith(`${name}-`))
      yield { object, field: 'metadata.name', wrong: `it is neither "${name}" nor "${name}-…"`, fix };
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
