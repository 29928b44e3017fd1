import { parse } from 'yaml';
import type { Finding, Platform } from './platform.ts';

/** Every data source that a dashboard or another data source uses is provisioned under that uid. */
export function* datasources(platform: Platform): Iterable<Finding> {
  const documents = platform
    .of('ConfigMap')
    .flatMap((object) =>
      Object.entries<string>(object.data).flatMap(([key, text]) =>
        /datasource/i.test(text) && /\.(ya?ml|json)$/.test(key)
          ? [{ object, key, content: key.endsWith('.json') ? JSON.parse(text) : parse(text) }]
          : [],
      ),
    );
  const known = new Set<unknown>(documents.flatMap(({ content }) => (content.datasources ?? []).map(({ uid }: { uid: string }) => uid)));
  for (const { object, key, content } of documents) {
    for (const uid of new Set(uses(content))) {
      // Grafana's built-in source of a dashboard's annotations.
      if (known.has(uid) || uid === '-- Grafana --') continue;
      yield {
        object,
        field: `data.${key}`,
        wrong: `it uses the data source "${uid}", which is not provisioned`,
        fix: `use one of ${[...known].join(', ')}`,
      };
    }
  }
}

function* uses(value: unknown): Iterable<unknown> {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    if (key === 'datasourceUid') yield inner;
    else if (key === 'datasource' && typeof inner === 'object' && inner !== null) yield (inner as { uid?: unknown }).uid;
    else yield* uses(inner);
  }
}
