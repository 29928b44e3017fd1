import { createHash } from 'node:crypto';
import { Lazy } from 'cdk8s';
import { k8s } from 'cdk8s-plus-27';
import { stringify } from 'yaml';
import type { Component } from './component.ts';
import type { Mount } from './mount.ts';

/** Renders a config once, as YAML: long lines stay whole, nothing is aliased. */
export function yaml(config: unknown): string {
  return stringify(config, { lineWidth: 0, aliasDuplicateObjects: false });
}

/** The files of one ConfigMap. */
export interface Config {
  /** Mounts the files, read-only, and makes the pod roll when one of them changes. */
  at(path: string): Mount;
}

/** A ConfigMap of `files`, name to text; a function is asked once everything is wired. `name` defaults to the component's. */
export function config(component: Component, files: () => Readonly<Record<string, string>>, name = component.name): Config {
  const texts = once(files);
  new k8s.KubeConfigMap(component, `config-${name}`, { metadata: component.metadata(name), data: Lazy.any({ produce: texts }) });
  return { at: (path) => ({ path, name, readOnly: true, checksum: () => hash(texts()), volume: { configMap: { name } } }) };
}

/** A short, stable fingerprint of any JSON value. */
export function hash(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16);
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
