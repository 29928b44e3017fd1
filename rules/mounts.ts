import type { Finding, Platform } from './platform.ts';

// Below these nothing of an image is named: what is there, the pod brings along.
const MOUNTED = /(?<![\w.$}"-])\/(?:etc|opt|run|var)\/[\w-]+(?:\/[\w.-]*\w)*/g;

/** A path that a command, a variable, a probe or a config names is mounted. */
export function* mounts(platform: Platform): Iterable<Finding> {
  for (const { object, pod } of platform.workloads) {
    const texts = (pod.volumes ?? []).flatMap(({ configMap }) =>
      Object.values<string>((configMap && platform.find('ConfigMap', configMap.name)?.data) ?? {}),
    );
    for (const [at, { command = [], args = [], env = [], volumeMounts = [], ...container }] of pod.containers.entries()) {
      const probes = [container.startupProbe, container.readinessProbe, container.livenessProbe].flatMap(
        (probe) => probe?.exec?.command ?? [],
      );
      const named = [...command, ...args, ...env.flatMap(({ value }) => value ?? []), ...probes, ...texts].flatMap(
        (text) => text.match(MOUNTED) ?? [],
      );
      for (const path of new Set(named)) {
        if (
          volumeMounts.some(({ mountPath }) => path === mountPath || path.startsWith(`${mountPath}/`) || mountPath.startsWith(`${path}/`))
        )
          continue;
        yield {
          object,
          field: `spec.template.spec.containers[${at}].volumeMounts`,
          wrong: `${path} is used, and nothing is mounted there`,
          fix: 'add the mount to the container',
        };
      }
    }
  }
}
