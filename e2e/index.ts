import { writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { Command } from '@commander-js/extra-typings';
import { contextOf } from '../cli/kubectl.ts';
import { table } from '../cli/output.ts';
import { exitWith } from '../cli/user-error.ts';
import { settingChanges } from './changes.ts';
import { Cluster, sampleDuring } from './cluster.ts';
import { twoCollectors } from './collectors.ts';
import { faults } from './faults.ts';
import { install, noErrors, type ReadyTime } from './install.ts';
import { twoManagers } from './managers.ts';
import { allPods, eachPod } from './pods.ts';
import { prod } from './prod.ts';
import type { Proof } from './proof.ts';
import { reinstalls } from './reinstall.ts';
import { Sentinels } from './sentinels.ts';
import { upgrades } from './upgrade.ts';
import { measure, measuredPage, peak, programsOf, sizeOf, standinsAmong, type Usage, usageTable } from './usage.ts';

const program = new Command('npm run e2e --')
  .description('Proves on a cluster that the profile dev works and keeps working. Deletes its namespace before and after the run.')
  .requiredOption('--context <name>', 'kubeconfig context of a cluster that may be changed at will')
  .option('--prod-context <name>', 'context of a second cluster, with three simulated nodes (kwok), for the profile prod')
  .option('--all', 'also run the proofs that take long')
  .option('--record', 'write the measurements to docs/measured.md')
  .addHelpText('after', '\nExit status: 0 when every proof passed, 1 when one failed, 2 when they could not be run.')
  .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, '')) })
  .exitOverride(({ exitCode }) => process.exit(exitCode && 2))
  .parse();
const options = program.opts();

interface ProofResult {
  readonly name: string;
  readonly passed: boolean;
  /** The summary of a proof that passed, the failure of one that did not. */
  readonly observed: string;
  readonly seconds: number;
  readonly cluster: Cluster;
}

async function prove({ name, run }: Proof, cluster: Cluster): Promise<ProofResult> {
  const start = performance.now();
  const result = await run(cluster).then(
    (observed) => ({ passed: true, observed }),
    ({ message }: Error) => ({ passed: false, observed: message }),
  );
  const seconds = (performance.now() - start) / 1000;
  const indented = result.observed.replaceAll('\n', '\n               ');
  console.log(`${result.passed ? 'ok    ' : 'FAILED'} ${seconds.toFixed(0).padStart(4)} s  ${name}\n               ${indented}`);
  return { name, ...result, seconds, cluster };
}

const smoke: Proof = { name: 'npm run smoke', run: async (cluster) => (await cluster.command('smoke')).all.trim() };

async function main(): Promise<number> {
  const dev = new Cluster(await contextOf(options.context), 'dev');
  const simulated = options.prodContext === undefined ? undefined : new Cluster(await contextOf(options.prodContext), 'prod');
  const sentinels = new Sentinels();
  let readyTimes: readonly ReadyTime[] = [];
  const firstInstall = install((times) => {
    readyTimes = times;
  });
  const proofs: readonly Proof[] = [
    noErrors,
    { name: 'a sentinel is written to every store and read again', run: (cluster) => sentinels.write(cluster) },
    eachPod(sentinels),
    { ...smoke, name: 'npm run smoke, after that' },
    ...faults,
    twoCollectors,
    allPods(sentinels),
    settingChanges,
    ...reinstalls(sentinels),
    ...(await upgrades(sentinels)),
  ];

  await dev.purge();
  let idle: Usage = new Map();
  let load: Usage = new Map();
  const results = [await prove(firstInstall, dev)];
  // The other proofs need a running platform.
  if (results[0]?.passed) {
    // Kubelets measure every ten seconds; by then the CPU use of the start is over.
    await pause(20_000);
    idle = await measure(dev);
    const samples = await sampleDuring(
      () => measure(dev),
      async () => results.push(await prove(smoke, dev)),
    );
    load = peak(samples);
    for (const proof of proofs) if (options.all || !proof.onlyWithAll) results.push(await prove(proof, dev));
  }
  const programs = await programsOf(dev);
  await dev.purge();
  if (simulated) for (const proof of [...prod, twoManagers]) results.push(await prove(proof, simulated));

  const standins = standinsAmong(programs);
  const usage = usageTable(dev, readyTimes, idle, load, programs);
  const where = ({ cluster }: ProofResult) =>
    cluster === simulated ? 'an API server' : standins.length > 0 ? 'a node, with stand-ins' : 'a node';
  const summary = [
    ['', 'proof', 'run on', 'seconds'],
    ...results.map((result) => [result.passed ? 'ok' : 'FAILED', result.name, where(result), result.seconds.toFixed(0)]),
  ];
  console.log(`\n${sizeOf(dev)}\n${table(usage)}\n\nstand-ins: ${standins.join(', ') || 'none'}\n${table(summary)}`);
  if (options.record) writeFileSync('docs/measured.md', await measuredPage(dev, usage, summary, programs));
  const failed = results.filter(({ passed }) => !passed);
  // CI keeps only the end of a long log, so repeat the failures there.
  for (const { name, observed } of failed) console.log(`\nFAILED ${name}\n${observed}`);
  console.log(`\n${results.length - failed.length} proofs passed, ${failed.length} failed`);
  return failed.length > 0 ? 1 : 0;
}

exitWith(main());
