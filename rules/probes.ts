import type { Finding, Platform } from './platform.ts';

/** Every container that stays has a readiness and a liveness probe, each on a port that it declares. */
export function* probes(platform: Platform): Iterable<Finding> {
  for (const { object, pod } of platform.workloads) {
    for (const [at, container] of pod.containers.entries()) {
      const names = new Set<string | number>(container.ports?.flatMap(({ name, containerPort }) => [name, containerPort]));
      for (const kind of ['startupProbe', 'readinessProbe', 'livenessProbe'] as const) {
        const field = `spec.template.spec.containers[${at}].${kind}`;
        const probe = container[kind];
        const port = probe?.httpGet?.port ?? probe?.tcpSocket?.port;
        if (!probe && kind !== 'startupProbe' && object.kind !== 'Job')
          yield { object, field, wrong: 'there is none', fix: 'say how the program shows that it works' };
        if (port !== undefined && !names.has(port))
          yield {
            object,
            field,
            wrong: `it asks the port ${port}, which ${container.name} does not declare`,
            fix: `ask one of ${[...names].filter((name) => typeof name === 'string').join(', ')}`,
          };
      }
    }
  }
}
