import { App, Chart } from 'cdk8s';
import { Component, type Shared } from './component.ts';
import { type Manifest, manifests } from './render.ts';

/** What the tests of this folder share. */
export const shared: Shared = {
  namespace: 'test',
  labels: { 'app.kubernetes.io/part-of': 'test' },
  pull: 'Always',
  disableResourceNameHashes: true,
};

/** The objects that `make` puts into the chart that it is given, by kind. */
export function rendered(make: (chart: Chart) => void): (kind: string) => Manifest {
  const app = new App();
  make(new Chart(app, 'chart', shared));
  const all = [...manifests(app).values()].flat();
  return (kind) => {
    const [found, ...more] = all.filter((manifest) => manifest.kind === kind);
    if (!found || more.length > 0) throw new Error(`${more.length + (found ? 1 : 0)} objects of kind ${kind}, not one`);
    return found;
  };
}

/** A component of that name. */
export const component = (chart: Chart, name: string): Component =>
  new Component(chart, name, shared, { role: 'test', image: 'example.org/test:1.2' });
