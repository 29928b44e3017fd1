import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InvalidArgumentError, program } from 'commander';
import { build } from '../build.ts';
import { text } from '../lib/render.ts';
import { profiles } from '../settings/index.ts';

program
  .name('npm run bench --')
  .description('Measures how long synth takes and how it grows, or synthesizes that many copies of prod in this process.')
  .argument('[copies]', 'the number of copies', (text) => {
    const copies = Number(text);
    if (!Number.isInteger(copies) || copies < 1) throw new InvalidArgumentError('Give a positive whole number.');
    return copies;
  })
  .action((copies?: number) => (copies === undefined ? compare() : grow(copies)))
  .parse();

/** Synthesizes copies of prod, each in its own namespace, and prints the cost as JSON. */
function grow(count: number): void {
  const before = process.cpuUsage();
  let objects = 0;
  for (let copy = 0; copy < count; copy++) {
    const { files, findings } = build({ ...profiles.prod, shared: { ...profiles.prod.shared, namespace: `platform-${copy}` } });
    if (findings.length > 0) throw new Error(`copy ${copy} is not valid: ${findings[0]}`);
    for (const file of files.values()) {
      text(file);
      objects += file.length;
    }
  }
  const { user, system } = process.cpuUsage(before);
  console.log(JSON.stringify({ objects, cpu: (user + system) / 1e6, memory: process.resourceUsage().maxRSS / 1024 }));
}

function run(...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`node ${args.join(' ')}: ${stderr}`);
  return stdout;
}

function compare(): void {
  const out = mkdtempSync(join(tmpdir(), 'platform-bench-'));
  process.env.CDK8S_OUTDIR = out;
  const commands = {
    'bare node': ['-e', '0'],
    'npm run synth, without npm': ['run.js', 'main.ts'],
    'cdk8s synth': ['node_modules/.bin/cdk8s', 'synth', '--output', out],
  };
  // In turn, so that a slower machine slows all down; the first round fills the caches.
  const rounds = Array.from({ length: 8 }, () =>
    Object.values(commands).map((args) => {
      const start = performance.now();
      run(...args);
      return (performance.now() - start) / 1000;
    }),
  ).slice(1);
  rmSync(out, { recursive: true });
  const medians = Object.keys(commands).map(
    (_, at) => rounds.map((round) => round[at] ?? Number.NaN).sort((a, b) => a - b)[3] ?? Number.NaN,
  );
  for (const [at, name] of Object.keys(commands).entries()) {
    const [median = Number.NaN, bare = Number.NaN] = [medians[at], medians[0]];
    console.log(
      `${name.padEnd(28)} ${median.toFixed(3)} s wall, median of 7${at > 0 ? `, ${(median / bare).toFixed(1)} times bare node` : ''}`,
    );
  }
  // A process for each count, so that none profits from another's compiled code.
  for (const count of [1, 10, 50]) {
    const { objects, cpu, memory } = JSON.parse(run('run.js', 'tools/bench.ts', `${count}`));
    const each = `${((cpu / objects) * 1000).toFixed(2)} s per 1,000 objects`;
    console.log(
      `${`${count} copies of prod`.padEnd(28)} ${objects} objects, ${cpu.toFixed(2)} s CPU, ${each}, ${memory.toFixed(0)} MiB at most`,
    );
  }
}
