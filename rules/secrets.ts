import type { Finding, Platform } from './platform.ts';

/** Every Secret and key that a pod reads is in the list of secrets, and every file below /run/secrets that it names is mounted. */
export function* secrets(platform: Platform): Iterable<Finding> {
  const known = (name: string, key: string) => platform.facts.secrets[name]?.includes(key) ?? false;
  const fix = 'add the key to charts/secrets.ts, or ask for one that is there';
  for (const { object, pod } of platform.workloads) {
    const mounted = (pod.volumes ?? []).flatMap(({ secret }) => secret?.items.map(({ key }) => ({ name: secret.secretName, key })) ?? []);
    for (const { name, key } of mounted) {
      if (!known(name, key)) yield { object, field: 'spec.template.spec.volumes', wrong: `no Secret ${name} has a key ${key}`, fix };
    }
    const configs = (pod.volumes ?? []).flatMap(({ configMap }) =>
      Object.values<string>((configMap && platform.find('ConfigMap', configMap.name)?.data) ?? {}),
    );
    for (const [at, { env = [], command = [], args = [] }] of pod.containers.entries()) {
      const field = `spec.template.spec.containers[${at}]`;
      for (const { name, valueFrom } of env) {
        const ref = valueFrom?.secretKeyRef;
        if (ref && !known(ref.name, ref.key))
          yield { object, field: `${field}.env.${name}`, wrong: `no Secret ${ref.name} has a key ${ref.key}`, fix };
      }
      const texts = [...command, ...args, ...env.flatMap(({ value }) => value ?? []), ...configs];
      for (const [path, name = '', key = ''] of texts.flatMap((text) => [...text.matchAll(/\/run\/secrets\/([\w-]+)\/([\w-]+)/g)])) {
        if (mounted.some((each) => each.name === name && each.key === key)) continue;
        yield { object, field, wrong: `it reads ${path}, and no mount brings that key`, fix: `mount the key ${key} of Secret ${name}` };
      }
      // A script is told the folder, and names the keys.
      for (const [, name = ''] of env.flatMap(({ value }) => [...(value ?? '').matchAll(/^\/run\/secrets\/([\w-]+)$/g)])) {
        for (const key of platform.facts.secrets[name] ?? []) {
          const read = configs.some((text) => new RegExp(`(?<![\\w-])${key}(?![\\w-])`).test(text));
          if (!read || mounted.some((each) => each.name === name && each.key === key)) continue;
          yield {
            object,
            field,
            wrong: `a script that it mounts reads ${key}, and no mount brings that key`,
            fix: `mount the key ${key} of Secret ${name}`,
          };
        }
      }
    }
  }
}
