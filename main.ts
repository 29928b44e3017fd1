import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { build } from './build.ts';
import { text } from './lib/render.ts';
import { profiles } from './settings/index.ts';

const out = process.env.CDK8S_OUTDIR ?? 'dist';

const built = Object.entries(profiles).map(([profile, settings]) => ({ profile, ...build(settings) }));
const findings = built.flatMap(({ profile, findings }) => findings.map((finding) => `${profile}: ${finding}`));

// Everything is rendered and checked before anything is written: after an error, the folder is unchanged.
if (findings.length > 0) {
  console.error(findings.join('\n'));
  process.exitCode = 1;
} else {
  rmSync(out, { recursive: true, force: true });
  for (const { profile, files } of built) {
    for (const [file, objects] of files) {
      const path = `${out}/${profile}/${file}`;
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text(objects));
    }
  }
}
