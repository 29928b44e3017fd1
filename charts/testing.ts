import type { Manifest } from '../lib/render.ts';

/** The leaves of an object by path: list elements by their name, texts of several lines by line. */
function leaves(value: unknown, path = ''): string[] {
  if (typeof value === 'string' && value.trim().includes('\n')) return value.split('\n').map((line) => `${path} | ${line}`);
  if (typeof value !== 'object' || value === null) return [`${path}: ${JSON.stringify(value)}`];
  return Object.entries(value).flatMap(([key, inner]) =>
    leaves(inner, Array.isArray(value) ? `${path}[${inner?.name ?? ''}]` : path === '' ? key : `${path}.${key}`),
  );
}

const idOf = ({ kind, metadata }: Manifest): string => `${kind} ${metadata.name}`;

/** The changed lines of two builds, each followed by the objects that it is in. */
export function changes(before: readonly Manifest[], after: readonly Manifest[]): string {
  // Hashes follow from the other changes.
  const [old, current] = [before, after].map((objects) => {
    const hashed = JSON.stringify(objects).replace(/(?<=-)[0-9a-f]{8}(?=")|\b[0-9a-f]{16,64}\b/g, 'HASH');
    return new Map((JSON.parse(hashed) as Manifest[]).map((object) => [idOf(object), leaves(object)]));
  });
  const found = new Map<string, Set<string>>();
  for (const id of new Set([...(old?.keys() ?? []), ...(current?.keys() ?? [])])) {
    const [from = [], to] = [old?.get(id), current?.get(id)];
    const removed = to ? from.filter((line) => !to.includes(line)) : ['object'];
    const added = (to ?? []).filter((line) => !from.includes(line) && !line.startsWith('metadata.labels'));
    for (const line of [...removed.map((each) => `- ${each}`), ...added.map((each) => `+ ${each}`)])
      found.set(line, (found.get(line) ?? new Set()).add(id));
  }
  return [...found].map(([line, ids]) => `${line}  (${ids.size > 6 ? `${ids.size} objects` : [...ids].join(', ')})`).join('\n');
}
