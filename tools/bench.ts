import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from '../build.ts';
import { text } from '../lib/render.ts';
import { profiles } from '../settings/index.ts';

// Prints how long synth takes and how it grows. With a number, it synthesizes that many copies of a profile and says what
// that took: a process of its own for each, so that none is warmed up by another.

const [, , copies] = process.argv;
if (copies !== undefined) grow(Number(copies));
else compare();

/** Synthesizes copies of the prod profile, each in a namespace of its own. */
function grow(count: number): void {
  const before = process.cpuUsage();
  let objects = 0;
  for (let copy = 0; copy < count; copy++) {
    const { files, findings } = build({ ...profiles.prod, shared: { ...profiles.prod.shared, namespace: `platform-${copy}` } });
    if (findings.length > 0) throw new Error(`copy ${copy} is not valid`);
    for (const file of files.values()) {
      text(file);
      objects += file.length;
    }
  }
  const { user, system } = process.cpuUsage(before);
  console.log(JSON.stringify({ objects, cpu: (user + system) / 1e6, memory: process.resourceUsage().maxRSS / 1024 }));
}

/** Runs the three commands in turn, so that a machine that slows down slows all of them down, and then the growth. */
function compare(): void {
  const out = mkdtempSync(join(tmpdir(), 'platform-bench-'));
  const commands = [
    { name: 'bare node', command: ['node', '-e', '0'] },
    { name: 'npm run synth, its program', command: ['node', 'run.js', 'main.ts'] },
    { name: 'cdk8s synth', command: ['node', 'node_modules/.bin/cdk8s', 'synth', '--output', out] },
  ];
  const seconds = commands.map((): number[] => []);
  for (let round = 0; round < 8; round++) {
    for (const [at, { command }] of commands.entries()) {
      const start = performance.now();
      const { status, stderr } = spawnSync(command[0] ?? '', command.slice(1), {
        env: { ...process.env, CDK8S_OUTDIR: out },
        encoding: 'utf8',
      });
      if (status !== 0) throw new Error(`${command.join(' ')}: ${stderr}`);
      // The first round warms up the caches.
      if (round > 0) seconds[at]?.push((performance.now() - start) / 1000);
    }
  }
  rmSync(out, { recursive: true });
  const middle = seconds.map((all) => [...all].sort((a, b) => a - b)[3] ?? Number.NaN);
  for (const [at, { name }] of commands.entries()) {
    const ratio = (middle[at] ?? Number.NaN) / (middle[0] ?? Number.NaN);
    console.log(`${name.padEnd(28)} ${middle[at]?.toFixed(3)} s wall, median of 7${at > 0 ? `, ${ratio.toFixed(1)} times bare node` : ''}`);
  }
  for (const count of [1, 10, 50]) {
    const { stdout, stderr } = spawnSync('node', ['run.js', 'tools/bench.ts', `${count}`], { encoding: 'utf8' });
    if (!stdout) throw new Error(stderr);
    const { objects, cpu, memory } = JSON.parse(stdout);
    console.log(
      `${`${count} copies of prod`.padEnd(28)} ${objects} objects, ${cpu.toFixed(2)} s CPU, ${((cpu / objects) * 1000).toFixed(2)} s per 1,000 objects, ${memory.toFixed(0)} MiB at the most`,
    );
  }
}
