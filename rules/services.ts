import type { Finding, Platform } from './platform.ts';

/** Every Service selects a pod, and each of its ports leads to a port that the pod names. */
export function* services(platform: Platform): Iterable<Finding> {
  for (const object of platform.of('Service')) {
    const workloads = platform.selected(object.spec.selector);
    if (workloads.length === 0) {
      yield {
        object,
        field: 'spec.selector',
        wrong: 'it selects no pod of this profile',
        fix: "let it select its component's pods, as component.serve does",
      };
    }
    for (const { object: workload, pod } of workloads) {
      const names = pod.containers.flatMap(({ ports = [] }) => ports.map(({ name, protocol }) => `${name} ${protocol ?? 'TCP'}`));
      for (const { name, targetPort, protocol } of object.spec.ports) {
        if (names.includes(`${targetPort} ${protocol}`)) continue;
        yield {
          object,
          field: `spec.ports.${name}.targetPort`,
          wrong: `no container of ${workload.metadata.name} names a ${protocol} port "${targetPort}"`,
          fix: `give the container that port, or take it from the Service`,
        };
      }
    }
  }
}
