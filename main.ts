import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { App } from 'cdk8s';
import { platform } from './charts/index.ts';
import { manifests, text } from './lib/render.ts';
import { profiles } from './settings/index.ts';
import { validate } from './settings/validate.ts';

const out = process.env.CDK8S_OUTDIR ?? 'dist';

const built = Object.entries(profiles).map(([profile, settings]) => {
  const app = new App();
  const problems = validate(settings);
  if (problems.length === 0) platform(app, settings);
  const findings = [...problems, ...app.node.validate()].map((finding) => `${profile}: ${finding}`);
  return { profile, app, findings };
});
const findings = built.flatMap((each) => each.findings);

// Everything is rendered and checked before anything is written: when something is wrong, the folder stays as it was.
if (findings.length > 0) {
  console.error(findings.join('\n'));
  process.exitCode = 1;
} else {
  rmSync(out, { recursive: true, force: true });
  for (const { profile, app } of built) {
    for (const [file, objects] of manifests(app)) {
      const path = `${out}/${profile}/${file}`;
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text(objects));
    }
  }
}
