import type { Finding, Platform } from './platform.ts';

/** Every Secret key that a pod reads is in the list of Secrets, and every file below /run/secrets that it uses is mounted. */
export function* secrets(platform: Platform): Iterable<Finding> {
  const known = (name: string, key: string) => platform.facts.secrets[name]?.includes(key) ?? false;
  const unlisted = (name: string, key: string) => ({
    wrong: `no Secret ${name} has a key ${key}`,
    fix: 'add the key to charts/secrets.ts, or use an existing one',
  });
  for (const { object, pod, containers, texts } of platform.workloads) {
    const mounted = (pod.volumes ?? []).flatMap(({ secret }) => secret?.items.map(({ key }) => ({ name: secret.secretName, key })) ?? []);
    const isMounted = (name: string, key: string) => mounted.some((each) => each.name === name && each.key === key);
    for (const { name, key } of mounted)
      if (!known(name, key)) yield { object, field: 'spec.template.spec.volumes', ...unlisted(name, key) };
    for (const { container, field } of containers) {
      const { env = [], command = [], args = [] } = container;
      const values = env.flatMap(({ value }) => value ?? []);
      for (const { name, valueFrom } of env) {
        const ref = valueFrom?.secretKeyRef;
        if (ref && !known(ref.name, ref.key)) yield { object, field: `${field}.env.${name}`, ...unlisted(ref.name, ref.key) };
      }
      const paths = [...command, ...args, ...values, ...texts].flatMap((text) => [...text.matchAll(/\/run\/secrets\/([\w-]+)\/([\w-]+)/g)]);
      for (const [path, name = '', key = ''] of paths) {
        if (!isMounted(name, key))
          yield { object, field, wrong: `it reads ${path}, which is not mounted`, fix: `mount the key ${key} of Secret ${name}` };
      }
      // Scripts get the folder in a variable, and have the keys in their text.
      for (const [, name = ''] of values.flatMap((value) => [...value.matchAll(/^\/run\/secrets\/([\w-]+)$/g)])) {
        for (const key of platform.facts.secrets[name] ?? []) {
          const read = texts.some((text) => new RegExp(`(?<![\\w-])${key}(?![\\w-])`).test(text));
          if (!read || isMounted(name, key)) continue;
          yield { object, field, wrong: `its script reads ${key}, which is not mounted`, fix: `mount the key ${key} of Secret ${name}` };
        }
      }
    }
  }
}
