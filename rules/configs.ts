import type { Finding, Platform } from './platform.ts';

/** Every mounted ConfigMap exists and has the files that commands and configs read from its folder. */
export function* configs(platform: Platform): Iterable<Finding> {
  for (const { object, pod, containers } of platform.workloads) {
    for (const [at, { name, configMap }] of (pod.volumes ?? []).entries()) {
      if (!configMap) continue;
      const config = platform.find('ConfigMap', configMap.name);
      if (!config) {
        yield {
          object,
          field: `spec.template.spec.volumes[${at}]`,
          wrong: `no ConfigMap ${configMap.name} exists`,
          fix: 'mount the result of `config`',
        };
        continue;
      }
      for (const { container, field } of containers) {
        const folder = container.volumeMounts?.find((mount) => mount.name === name)?.mountPath;
        if (folder === undefined) continue;
        const texts = [...(container.command ?? []), ...(container.args ?? []), ...Object.values<string>(config.data)];
        const read = texts.flatMap((text) => [...text.matchAll(new RegExp(`(?<![\\w/.])${folder}/([\\w.-]*\\w)`, 'g'))]);
        for (const file of new Set(read.map(([, file = '']) => file))) {
          if (file in config.data) continue;
          const wrong = `it reads ${folder}/${file}, and ConfigMap ${configMap.name} has no key ${file}`;
          yield { object, field, wrong, fix: `use one of ${Object.keys(config.data).join(', ')}` };
        }
      }
    }
  }
}
