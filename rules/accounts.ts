import type { Finding, Platform } from './platform.ts';

/** Every pod's ServiceAccount and PriorityClass exist. */
export function* accounts(platform: Platform): Iterable<Finding> {
  for (const { object, pod } of platform.workloads) {
    for (const [field, kind] of [
      ['serviceAccountName', 'ServiceAccount'],
      ['priorityClassName', 'PriorityClass'],
    ] as const) {
      if (platform.find(kind, pod[field])) continue;
      const names = platform.of(kind).map(({ metadata }) => metadata.name);
      yield {
        object,
        field: `spec.template.spec.${field}`,
        wrong: `no ${kind} "${pod[field] ?? ''}" exists`,
        fix: `use one of ${names.join(', ')}`,
      };
    }
  }
}
