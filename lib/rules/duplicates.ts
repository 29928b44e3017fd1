import type { Finding, Platform } from './platform.ts';

/** No two objects are the same to the API. */
export function* duplicates(platform: Platform): Iterable<Finding> {
  const seen = new Map<string, string>();
  for (const object of platform.objects) {
    const id = `${object.apiVersion}/${object.kind}/${object.metadata.namespace}/${object.metadata.name}`;
    const where = seen.get(id);
    if (where !== undefined)
      yield {
        object,
        field: 'metadata.name',
        wrong: `${where} has an object of this kind and name already`,
        fix: 'rename one: applying both keeps only the last',
      };
    seen.set(id, platform.fileOf(object));
  }
}
