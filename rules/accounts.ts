import type { Finding, Platform } from './platform.ts';

/** Every pod runs as an account of its own that exists, in a priority that exists. */
export function* accounts(platform: Platform): Iterable<Finding> {
  for (const { object, pod } of platform.workloads) {
    for (const [field, kind, name] of [
      ['serviceAccountName', 'ServiceAccount', pod.serviceAccountName],
      ['priorityClassName', 'PriorityClass', pod.priorityClassName],
    ] as const) {
      if (name && platform.find(kind, name)) continue;
      yield {
        object,
        field: `spec.template.spec.${field}`,
        wrong: `there is no ${kind} ${name ?? ''}`.trim(),
        fix: `name one of ${platform
          .of(kind)
          .map(({ metadata }) => metadata.name)
          .join(', ')}`,
      };
    }
  }
}
