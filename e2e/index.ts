import { writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { contextOf } from '../cli/kubectl.ts';
import { table } from '../cli/output.ts';
import { exitWith, UserError } from '../cli/user-error.ts';
import { oneChange } from './changes.ts';
import { Cluster, watch } from './cluster.ts';
import { twoCollectors } from './collectors.ts';
import { faults } from './faults.ts';
import { calm, fresh, type Start } from './fresh.ts';
import { twoManagers } from './managers.ts';
import { most, programsOf, record, sizeOf, standinsAmong, type Uses, usage, use } from './measure.ts';
import { allPods, eachPod } from './pods.ts';
import { prod } from './prod.ts';
import { reinstall } from './reinstall.ts';
import { type Sentinels, write } from './sentinels.ts';
import type { Step } from './step.ts';
import { upgrades } from './upgrade.ts';

const USAGE = `npm run e2e -- --context NAME [--prod-context NAME] [--all]

Proves on a real cluster, which it has for itself, that the profile dev works and goes on working. Everything that is in the
namespace platform-dev is deleted at the end, and before it begins.

  --context NAME       of the kubeconfig: a cluster of which nothing is needed any more
  --prod-context NAME  another one, with three nodes that only pretend to run pods (kwok): what is asked of prod there
  --all                the faults too that take long
  --record             writes what was measured to docs/measured.md

Ends with 0 when everything is proven, 1 when something is not, 2 when it could not be asked.`;

interface Proof {
  readonly name: string;
  readonly passed: boolean;
  readonly saw: string;
  readonly seconds: number;
  /** On nodes that only pretend to run pods. */
  readonly pretended?: boolean;
}

function options() {
  try {
    return parseArgs({
      options: {
        context: { type: 'string' },
        'prod-context': { type: 'string' },
        all: { type: 'boolean' },
        record: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    }).values;
  } catch (error) {
    throw new UserError(`${(error as Error).message.split(/[.\n]/)[0]}; npm run e2e -- --help lists what there is`);
  }
}

async function prove(step: Step, cluster: Cluster): Promise<Proof> {
  const start = performance.now();
  const seconds = () => (performance.now() - start) / 1000;
  let passed = true;
  const saw = await step.run(cluster).catch((error: Error) => {
    passed = false;
    return error.message;
  });
  console.log(
    `${passed ? 'ok    ' : 'FAILED'} ${seconds().toFixed(0).padStart(4)} s  ${step.name}\n               ${saw.replaceAll('\n', '\n               ')}`,
  );
  return { name: step.name, passed, saw, seconds: seconds() };
}

async function main(): Promise<number> {
  const chosen = options();
  if (chosen.help) {
    console.log(USAGE);
    return 0;
  }
  if (!chosen.context) throw new UserError('say which cluster it has for itself: --context NAME, of the kubeconfig');
  const dev = new Cluster(await contextOf(chosen.context), 'dev');
  const fake = chosen['prod-context'] ? new Cluster(await contextOf(chosen['prod-context']), 'prod') : undefined;

  let sentinels: Sentinels | undefined;
  const written = () => {
    if (!sentinels) throw new Error('nothing was written');
    return sentinels;
  };
  const writing: Step = {
    name: 'a sentinel is written into every store and found there',
    async run(cluster) {
      sentinels = await write(cluster);
      return `ArangoDB, Redis, Consul, Tempo, Loki, Prometheus${sentinels.dashboard ? ', Grafana' : '; the stand-in for Grafana keeps no dashboards'}`;
    },
  };
  const smoke: Step = {
    name: 'npm run smoke',
    async run(cluster) {
      const { said } = await cluster.must('smoke');
      return said.trim();
    },
  };
  let starts: readonly Start[] = [];
  const onDev = [
    fresh((told) => {
      starts = told;
    }),
    smoke,
    calm,
    writing,
    eachPod(written),
    { ...smoke, name: 'npm run smoke, after that' },
    ...faults,
    twoCollectors,
    allPods(written),
    oneChange,
    ...reinstall(written),
    ...(await upgrades()),
  ];

  await dev.purge();
  const proofs: Proof[] = [];
  let [idle, load]: Uses[] = [new Map(), new Map()];
  for (const step of onDev.filter(({ extra }) => chosen.all || !extra)) {
    if (step === smoke) {
      // The kubelets measure every ten seconds; what was busy starting is calm then.
      await pause(20_000);
      idle = await use(dev);
    }
    const watching = step === smoke ? watch(() => use(dev)) : undefined;
    proofs.push(await prove(step, dev));
    if (watching) load = most(await watching.end());
    // What comes next needs a platform that is up.
    if (proofs.length === 1 && !proofs[0]?.passed) break;
  }
  const programs = await programsOf(dev);
  const standins = standinsAmong(programs);
  await dev.purge();
  for (const step of fake ? [...prod, twoManagers] : []) proofs.push({ ...(await prove(step, fake as Cluster)), pretended: true });

  const used = usage(dev, starts, idle ?? new Map(), load ?? new Map(), programs);
  const by = ({ pretended }: Proof) => (pretended ? 'an API server' : standins.length > 0 ? 'a node, with stand-ins' : 'a node');
  const proven = [
    ['', 'proven', 'by', 'seconds'],
    ...proofs.map((proof) => [proof.passed ? 'ok' : 'FAILED', proof.name, by(proof), proof.seconds.toFixed(0)]),
  ];
  console.log(`\n${sizeOf(dev)}\n${table(used)}\n\nstand-ins answered for: ${standins.join(', ') || 'none'}\n${table(proven)}`);
  if (chosen.record) writeFileSync('docs/measured.md', await record(dev, used, proven, programs));
  const failed = proofs.filter(({ passed }) => !passed);
  // Again, at the end: what is kept of a long log is its end.
  for (const { name, saw } of failed) console.log(`\nFAILED ${name}\n${saw}`);
  console.log(`\n${proofs.length - failed.length} proofs passed, ${failed.length} failed`);
  return failed.length > 0 ? 1 : 0;
}

exitWith(main());
