import type { Finding, Platform } from './platform.ts';

/** Every Service selects pods, and its target ports are named ports of their containers. */
export function* services(platform: Platform): Iterable<Finding> {
  for (const object of platform.of('Service')) {
    const workloads = platform.selected(object.spec.selector);
    if (workloads.length === 0) {
      yield {
        object,
        field: 'spec.selector',
        wrong: 'it selects no pod',
        fix: "select the component's pods, as component.serve does",
      };
    }
    for (const { object: workload, pod } of workloads) {
      const names = pod.containers.flatMap(({ ports = [] }) => ports.map(({ name, protocol }) => `${name} ${protocol ?? 'TCP'}`));
      for (const { name, targetPort, protocol } of object.spec.ports) {
        if (names.includes(`${targetPort} ${protocol}`)) continue;
        const wrong = `no container of ${workload.metadata.name} has a ${protocol} port "${targetPort}"`;
        yield {
          object,
          field: `spec.ports.${name}.targetPort`,
          wrong,
          fix: 'add the port to the container, or remove it from the Service',
        };
      }
    }
  }
}
