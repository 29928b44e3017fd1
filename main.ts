import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { App } from 'cdk8s';
import { platform } from './charts/index.ts';
import { manifests, text } from './lib/render.ts';
import { profiles } from './settings/index.ts';

const out = process.env.CDK8S_OUTDIR ?? 'dist';

const apps = Object.entries(profiles).map(([profile, settings]) => {
  const app = new App();
  platform(app, settings);
  return { profile, app };
});
const findings = apps.flatMap(({ profile, app }) => app.node.validate().map((finding) => `${profile}/${finding}`));

// Everything is rendered and checked before anything is written: a refusal leaves the folder as it was.
if (findings.length > 0) {
  console.error(findings.join('\n'));
  process.exitCode = 1;
} else {
  rmSync(out, { recursive: true, force: true });
  for (const { profile, app } of apps) {
    for (const [file, objects] of manifests(app)) {
      const path = `${out}/${profile}/${file}`;
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text(objects));
    }
  }
}
