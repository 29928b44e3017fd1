import type { Finding, Platform } from './platform.ts';

/** A program is configured with every port that its container declares: by a command, a variable or a mounted config. */
export function* ports(platform: Platform): Iterable<Finding> {
  for (const { object, containers, texts } of platform.workloads) {
    for (const { container, field } of containers) {
      const variables = (container.env ?? []).map(({ value = '' }) => value);
      const configured = [...(container.command ?? []), ...(container.args ?? []), ...variables, ...texts].join('\n');
      for (const [at, { name, containerPort }] of (container.ports ?? []).entries()) {
        if (listensAt(containerPort).test(configured)) continue;
        const wrong = `${container.name} is not configured to listen at ${containerPort} (${name})`;
        yield { object, field: `${field}.ports[${at}]`, wrong, fix: 'pass the port to the program' };
      }
    }
  }
}

/** Matches a port, but not in the address of another host: `:9090` and `0.0.0.0:9090`, not `prometheus:9090` or `127.0.0.1:9090`. */
const listensAt = (port: number): RegExp => new RegExp(`(?:(?<![\\w.\\]-]:|\\d)|(?<=(?:0\\.0\\.0\\.0|\\[::\\]):))${port}(?!\\d)`);
