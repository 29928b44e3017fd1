import { Argument, program } from 'commander';
import { build } from '../build.ts';
import type { Settings } from '../charts/settings.ts';
import { podOf } from '../lib/render.ts';
import { profiles } from '../settings/index.ts';

program
  .name('npm run images --')
  .description('Prints the images of a profile, or of all: one a line, to mirror them or to load them into nodes.')
  .addArgument(new Argument('[profile]', 'a profile of settings/index.ts').choices(Object.keys(profiles)))
  .action((profile?: string) => {
    const chosen = Object.entries<Settings>(profiles).filter(([name]) => profile === undefined || name === profile);
    const objects = chosen.flatMap(([, settings]) => [...build(settings).files.values()].flat());
    const images = objects.flatMap((object) => podOf(object)?.containers.map(({ image }) => image) ?? []);
    console.log([...new Set(images)].sort().join('\n'));
  })
  .parse();
