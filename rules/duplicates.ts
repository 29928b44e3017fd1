import type { Manifest } from '../lib/render.ts';
import type { Finding, Platform } from './platform.ts';

/** No two objects have the same kind, namespace and name. */
export function* duplicates(platform: Platform): Iterable<Finding> {
  const ids = platform.objects.map(idOf);
  for (const object of platform.objects) {
    if (ids.filter((id) => id === idOf(object)).length === 1) continue;
    yield {
      object,
      field: 'metadata.name',
      wrong: 'another object has this kind and name',
      fix: 'rename one: otherwise the last applied replaces the other',
    };
  }
}

const idOf = ({ apiVersion, kind, metadata }: Manifest): string => `${apiVersion}/${kind}/${metadata.namespace}/${metadata.name}`;
