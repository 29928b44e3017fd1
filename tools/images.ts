import { App } from 'cdk8s';
import { platform } from '../charts/index.ts';
import { type Manifest, manifests, podOf } from '../lib/render.ts';
import { profileNamed, profiles } from '../settings/index.ts';

// Every image that the profiles run, or one of them, one a line: what to mirror, or to load into the nodes.
const [, , profile] = process.argv;
const images = (profile === undefined ? Object.values(profiles) : [profileNamed(profile)]).flatMap((settings) => {
  const app = new App();
  platform(app, settings);
  return [...manifests(app).values()].flat().flatMap((manifest: Manifest) => podOf(manifest)?.containers.map(({ image }) => image) ?? []);
});
console.log([...new Set(images)].sort().join('\n'));
