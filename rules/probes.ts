import { type Finding, type Platform, PROBES } from './platform.ts';

/** Every container except those of Jobs has a readiness and a liveness probe, and every probe uses a declared port. */
export function* probes(platform: Platform): Iterable<Finding> {
  for (const { object, containers } of platform.workloads) {
    for (const { container, field } of containers) {
      const declared = new Set<string | number>(container.ports?.flatMap(({ name, containerPort }) => [name, containerPort]));
      for (const kind of PROBES) {
        const at = { object, field: `${field}.${kind}` };
        const probe = container[kind];
        const port = probe?.httpGet?.port ?? probe?.tcpSocket?.port;
        if (!probe && kind !== 'startupProbe' && object.kind !== 'Job') yield { ...at, wrong: 'it is missing', fix: 'add one' };
        if (port === undefined || declared.has(port)) continue;
        const names = [...declared].filter((each) => typeof each === 'string');
        yield { ...at, wrong: `${container.name} does not declare the port ${port}`, fix: `use one of ${names.join(', ')}` };
      }
    }
  }
}
