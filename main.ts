import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { App } from 'cdk8s';
import { platform } from './charts/index.ts';
import { manifests, text } from './lib/render.ts';
import { profiles } from './settings/index.ts';

const out = process.env.CDK8S_OUTDIR ?? 'dist';

// All is rendered before anything is written: a refusal leaves the folder as it was.
const files = Object.entries(profiles).flatMap(([profile, settings]) => {
  const app = new App();
  platform(app, settings);
  return [...manifests(app)].map(([file, objects]) => ({ path: `${out}/${profile}/${file}`, content: text(objects) }));
});

rmSync(out, { recursive: true, force: true });
for (const { path, content } of files) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}
