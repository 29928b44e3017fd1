import { App, Chart } from 'cdk8s';
import { Component, type Shared } from './component.ts';
import { type Manifest, manifests } from './render.ts';

/** Settings for the tests of this folder. */
export const shared: Shared = {
  namespace: 'test',
  labels: { 'app.kubernetes.io/part-of': 'test' },
  imagePullPolicy: 'Always',
  disableResourceNameHashes: true,
};

/** Renders the chart that `make` fills; returns its only object of a kind. */
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

/** A component with fixed properties. */
export const component = (chart: Chart, name: string): Component =>
  new Component(chart, name, shared, { role: 'test', image: 'example.org/test:1.2' });
