import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { program } from 'commander';
import { build } from './build.ts';
import { text } from './lib/render.ts';
import { profiles } from './settings/index.ts';

program
  .name('npm run synth --')
  .description('Writes the manifests of every profile to dist/, or to the folder that CDK8S_OUTDIR names.')
  .parse();

const out = resolve(process.env.CDK8S_OUTDIR ?? 'dist');
const built = Object.entries(profiles).map(([profile, settings]) => ({ profile, ...build(settings) }));
const findings = built.flatMap(({ profile, findings }) => findings.map((finding) => `${profile}: ${finding}`));
if (built.length === 0) findings.push('settings/index.ts exports no profile: nothing would be left of the folder');
for (const { profile } of built)
  if (!/^[a-z0-9][a-z0-9-]*$/.test(profile))
    findings.push(`settings/index.ts: the profile "${profile}" becomes a folder: use lower-case letters, digits and dashes`);
const foreign = existsSync(out) ? readdirSync(out).find((name) => !existsSync(join(out, name, 'setup/setup.yaml'))) : undefined;
if (foreign !== undefined)
  findings.push(`${out} contains ${foreign}, which synth has not written: move it, or name another folder in CDK8S_OUTDIR`);

if (findings.length > 0) {
  console.error(findings.join('\n'));
  process.exitCode = 1;
} else {
  // The folder is replaced as a whole, after everything has been checked and written: an error leaves it unchanged.
  const written = `${out}.new`;
  rmSync(written, { recursive: true, force: true });
  for (const { profile, files } of built) {
    for (const [file, objects] of files) {
      const path = join(written, profile, file);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text(objects));
    }
  }
  rmSync(out, { recursive: true, force: true });
  renameSync(written, out);
}
