import { createHash } from 'node:crypto';
import { Lazy } from 'cdk8s';
import { k8s } from 'cdk8s-plus-27';
import { stringify } from 'yaml';
import type { Component } from './component.ts';
import type { Mount } from './mount.ts';

/** Renders a configuration as YAML, without line folding and aliases. */
export function yaml(config: unknown): string {
  return stringify(config, { lineWidth: 0, aliasDuplicateObjects: false });
}

/** The files of a ConfigMap. */
export interface ConfigMap {
  /** Mounts the files read-only in the folder `path`. The pod rolls when a file changes. */
  mount(path: string): Mount;
}

/** A ConfigMap of `files`, by file name. `files` is called at synth, when all charts are connected. */
export function configMap(component: Component, files: () => Readonly<Record<string, string>>, name = component.name): ConfigMap {
  let rendered: Readonly<Record<string, string>> | undefined;
  const texts = () => {
    rendered ??= files();
    return rendered;
  };
  new k8s.KubeConfigMap(component, `config-${name}`, { metadata: component.metadata(name), data: Lazy.any({ produce: texts }) });
  return { mount: (path) => ({ path, name, readOnly: true, checksum: () => hash(texts()), volume: { configMap: { name } } }) };
}

/** A short hash of any JSON value. */
export function hash(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16);
}
