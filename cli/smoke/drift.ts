import { amountOf } from '../../lib/quantity.ts';
import type { Manifest } from '../../lib/render.ts';

/** Disks of the manifests that are not bound, or are smaller than the manifests ask for. */
export function disks(
  expected: readonly Manifest[],
  there: readonly Manifest[],
): { readonly wrong: readonly string[]; readonly number: number } {
  const wanted = expected.flatMap(({ kind, metadata, spec }): readonly (readonly [string, string])[] => {
    if (kind === 'PersistentVolumeClaim') return [[metadata.name, spec.resources.requests.storage]];
    const templates: readonly Manifest[] = kind === 'StatefulSet' ? (spec.volumeClaimTemplates ?? []) : [];
    return templates.flatMap((template) =>
      Array.from({ length: spec.replicas }, (_, index) => [
        `${template.metadata.name}-${metadata.name}-${index}`,
        template.spec.resources.requests.storage,
      ]),
    );
  });
  const wrong = wanted.flatMap(([name, size]) => {
    const { phase, capacity } = there.find(({ metadata }) => metadata.name === name)?.status ?? {};
    if (phase !== 'Bound') return [`${name} is ${phase ?? 'not there'}`];
    return amountOf(capacity.storage) < amountOf(size) ? [`${name} has ${capacity.storage}, not ${size}`] : [];
  });
  return { wrong, number: wanted.length };
}

/** Keys of Secrets, as `secret/key`, that pods read and that are not there. `listing` has a line for each Secret: its name, then its keys. */
export function lackingKeys(read: readonly string[], listing: string): readonly string[] {
  const there = new Set(
    listing.split('\n').flatMap((line) => {
      const [name, ...keys] = line.trim().split(/\s+/);
      return keys.map((key) => `${name}/${key}`);
    }),
  );
  return read.filter((key) => !there.has(key));
}
