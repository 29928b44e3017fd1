import { App } from 'cdk8s';
import { platform } from '../charts/index.ts';
import { type Manifest, manifests, podOf } from '../lib/render.ts';
import { profiles } from '../settings/index.ts';

// Every image that the profiles run, one a line: what to mirror, or to load into the nodes.
const images = Object.values(profiles).flatMap((settings) => {
  const app = new App();
  platform(app, settings);
  return [...manifests(app).values()].flat().flatMap((manifest: Manifest) => podOf(manifest)?.containers.map(({ image }) => image) ?? []);
});
console.log([...new Set(images)].sort().join('\n'));
