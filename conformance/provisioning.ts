import assert from 'node:assert/strict';
import { parse } from 'yaml';
import { container } from './manifests.ts';
import type { Sandbox } from './sandbox.ts';

/** A value in a provisioning file or a dashboard. */
export type Value = string | number | boolean | null | readonly Value[] | { readonly [key: string]: Value };

/** Returns the value of an environment variable. */
type Lookup = (name: string) => string;

/** The part of a data source that the checks use. */
export interface DataSource {
  readonly uid: string;
  readonly url: string;
  readonly jsonData: {
    readonly derivedFields?: readonly { readonly url: string }[];
    readonly tracesToMetrics?: { readonly queries: readonly { readonly query: string }[] };
  };
}

/**
 * Expands one text like Grafana: `$$` is a dollar. Between these, `${NAME}` and `$__env{NAME}` are environment variables, and then
 * `$NAME` and `$1` are, as in Go's os.ExpandEnv. A dollar before anything else stays.
 */
export function expandText(text: string, lookup: Lookup): string {
  const settings = (part: string) =>
    part.replace(/\$(__\w+)?\{([^}]+)\}/g, (all, kind: string | undefined, name: string) => {
      if (kind === '__file' || kind === '__vault') throw new Error(`"${text}": the checks do not support ${kind}`);
      return kind === undefined || kind === '__env' ? lookup(name) : all;
    });
  const environment = (part: string) =>
    part.replace(
      /\$(?:\{([^}]*)\}|(\{)|([*#@!?\-0-9]|[a-zA-Z_]\w*))/g,
      (_, braced: string | undefined, open: string | undefined, name: string) => (open || braced === '' ? '' : lookup(braced ?? name)),
    );
  return text
    .split('$$')
    .map((part) => environment(settings(part)))
    .join('$');
}

/** Expands every text among the values; keys are not expanded. */
export function expand(value: Value, lookup: Lookup): Value {
  if (typeof value === 'string') return expandText(value, lookup);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((each) => expand(each, lookup));
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, expand(inner, lookup)]));
}

/** A provisioning file as Grafana reads it. Throws when it uses a variable that the container lacks. */
export function provisioned(sandbox: Sandbox, configMap: string): { readonly [key: string]: Value } {
  const env = new Map(container(sandbox.manifests, 'grafana').env?.map(({ name, value }) => [name, value ?? '']));
  return expand(parse(sandbox.file(configMap, 'platform.yaml')), (name) => {
    const value = env.get(name);
    assert.ok(value !== undefined, `${configMap} uses the variable ${name}, which the container lacks`);
    return value;
  }) as { readonly [key: string]: Value };
}

export const dataSources = (sandbox: Sandbox) =>
  provisioned(sandbox, 'grafana-datasources').datasources as unknown as readonly DataSource[];
