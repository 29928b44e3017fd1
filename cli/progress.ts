import { setTimeout as pause } from 'node:timers/promises';
import colors from 'picocolors';
import type { Manifest } from '../lib/render.ts';
import { workloadsOf } from './cluster.ts';
import { type Diagnosis, diagnose } from './diagnose.ts';
import type { Kubectl } from './kubectl.ts';
import type { Live } from './output.ts';
import type { Profile } from './profile.ts';
import { TIMEOUTS } from './timeouts.ts';

/** The last state of a workload, and the seconds until it was ready. */
interface TimedDiagnosis extends Diagnosis {
  readonly seconds: number;
}

/** Shows every workload until all are ready, one stays stuck, or `timeout` seconds have passed. */
export async function settle(
  objects: () => readonly Manifest[],
  profile: Profile,
  live: Live,
  timeout: number,
  sleep: (milliseconds: number) => Promise<unknown> = pause,
): Promise<readonly TimedDiagnosis[]> {
  const start = performance.now();
  const workloads = workloadsOf(profile);
  const width = Math.max(...workloads.map(({ metadata }) => metadata.name.length));
  /** The state of each workload, and the second in which it began. */
  const states = new Map<string, { readonly state: Diagnosis['state']; readonly since: number }>();
  for (; ; await sleep(500)) {
    const passed = Math.round((performance.now() - start) / 1000);
    const now = { objects: objects() };
    const diagnoses = workloads.map((workload) => {
      const diagnosis = diagnose(workload, now, profile.name);
      const { name, state } = diagnosis;
      if (states.get(name)?.state !== state) states.set(name, { state, since: passed });
      return { ...diagnosis, seconds: state === 'ready' ? (states.get(name)?.since ?? passed) : passed };
    });
    live.update(new Map(diagnoses.map((each) => [each.name, line(each, width)])));
    const isStuck = [...states.values()].some(({ state, since }) => state === 'stuck' && passed - since >= TIMEOUTS.stuck);
    if (diagnoses.every(({ state }) => state === 'ready') || isStuck || passed >= timeout) {
      live.done();
      return diagnoses;
    }
  }
}

const SIGNS = { ready: colors.green('✔'), waiting: colors.yellow('…'), stuck: colors.red('✖') };

function line({ name, ready, wanted, state, message, seconds }: TimedDiagnosis, width: number) {
  const text = `${SIGNS[state]} ${name.padEnd(width)}  ${ready}/${wanted}`;
  const elapsed = colors.dim(`  ${seconds} s`);
  if (state === 'ready') return { text, moving: elapsed };
  // On a terminal the message comes last, because it may be cut.
  return process.stdout.isTTY ? { text, moving: `${elapsed}  ${message}` } : { text: `${text}  ${message}` };
}

/** What keeps the other workloads from being ready, what to do about it, and the log of a container that crashed. */
export async function report(late: readonly Diagnosis[], kubectl: Kubectl): Promise<string> {
  const parts = late.map(async ({ name, message, help, crashed }) => {
    const log = crashed ? await lastLines(kubectl, crashed) : [];
    const lines = [`${colors.red(name)}: ${message}`, ...log.map((each) => colors.dim(`    ${each}`))];
    return [...lines, ...(help ? [`  → ${help}`] : [])].join('\n');
  });
  const head = `${late.length} workload${late.length === 1 ? ' is' : 's are'} not ready; fix the cause and run up again`;
  return [head, ...(await Promise.all(parts))].join('\n');
}

async function lastLines(kubectl: Kubectl, { pod, container }: NonNullable<Diagnosis['crashed']>): Promise<readonly string[]> {
  const read = async (...more: readonly string[]) => {
    const log = await kubectl.run(['logs', pod, `--container=${container}`, '--tail=5', ...more]).catch(() => '');
    // The kubelet's message, with exit status 0, about a container that it has removed.
    return log.startsWith('unable to retrieve container logs') ? '' : log;
  };
  // While the next container is being created, only the previous one has a log.
  const log = (await read()) || (await read('--previous'));
  return log.split('\n').filter((each) => each.trim());
}
