import type { Finding, Platform } from './platform.ts';

/** Every ConfigMap that a pod mounts exists, and every file below its folder that a command names is one of its keys. */
export function* configs(platform: Platform): Iterable<Finding> {
  for (const { object, pod } of platform.workloads) {
    for (const [at, { name, configMap }] of (pod.volumes ?? []).entries()) {
      if (!configMap) continue;
      const config = platform.find('ConfigMap', configMap.name);
      if (!config) {
        yield {
          object,
          field: `spec.template.spec.volumes[${at}]`,
          wrong: `there is no ConfigMap ${configMap.name}`,
          fix: 'mount what `config` returned',
        };
        continue;
      }
      for (const [index, { volumeMounts = [], command = [], args = [] }] of pod.containers.entries()) {
        const folder = volumeMounts.find((mount) => mount.name === name)?.mountPath;
        const texts = [...command, ...args, ...Object.values<string>(config.data)];
        const files = folder
          ? texts.flatMap((text) => [...text.matchAll(new RegExp(`(?<![\\w/.])${folder}/([\\w.-]*\\w)`, 'g'))].map(([, file = '']) => file))
          : [];
        for (const file of new Set(files)) {
          if (file in config.data) continue;
          yield {
            object,
            field: `spec.template.spec.containers[${index}]`,
            wrong: `it reads ${folder}/${file}, and ConfigMap ${configMap.name} has no key ${file}`,
            fix: `name one of ${Object.keys(config.data).join(', ')}`,
          };
        }
      }
    }
  }
}
