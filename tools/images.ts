import { build } from '../build.ts';
import { podOf } from '../lib/render.ts';
import { profileNamed, profiles } from '../settings/index.ts';

// Every image that the profiles run, or one of them, one a line: what to mirror, or to load into the nodes.
const [, , profile] = process.argv;
const images = (profile === undefined ? Object.values(profiles) : [profileNamed(profile)]).flatMap((settings) =>
  [...build(settings).files.values()].flat().flatMap((manifest) => podOf(manifest)?.containers.map(({ image }) => image) ?? []),
);
console.log([...new Set(images)].sort().join('\n'));
