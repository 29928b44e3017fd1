import type { Finding, Platform } from './platform.ts';

/** A program is configured with every port that its container declares: by a command, a variable or a mounted config. */
export function* ports(platform: Platform): Iterable<Finding> {
  for (const { object, containers, texts } of platform.workloads) {
    for (const { container, field } of containers) {
      const variables = (container.env ?? []).map(({ value = '' }) => value);
      const configured = [...(container.command ?? []), ...(container.args ?? []), ...variables, ...texts].join('\n');
      for (const [at, { name, containerPort }] of (container.ports ?? []).entries()) {
        if (new RegExp(`(?<!\\d)${containerPort}(?!\\d)`).test(configured)) continue;
        const wrong = `${container.name} is not configured to listen at ${containerPort} (${name})`;
        yield { object, field: `${field}.ports[${at}]`, wrong, fix: 'pass the port to the program' };
      }
    }
  }
}
