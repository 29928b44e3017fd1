import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { files } from '../../charts/smoke/files.ts';
import { type Manifest, podOf } from '../../lib/render.ts';
import { Kubectl } from '../kubectl.ts';
import { profileOf } from '../profile.ts';
import type { CheckResult } from './check-result.ts';
import { followJob, jobOf, longest } from './job.ts';

const profile = profileOf('dev');
const job = jobOf(profile.smoke);
const check = JSON.stringify({ name: 'a', state: 'ok', seconds: 1, detail: '', standins: [] });
const totals = '{"totals":{"ok":1,"failed":0,"skipped":0}}';

/** A cluster in which the Job has this status and this log. */
class FakeKubectl extends Kubectl {
  constructor(
    private readonly status: object,
    private readonly log: string,
  ) {
    super('context', profile.namespace);
  }

  override async run(): Promise<string> {
    return this.log;
  }

  override async objects(): Promise<readonly Manifest[]> {
    return [{ ...job, status: this.status }];
  }
}

async function follow(status: object, log: string): Promise<readonly CheckResult[]> {
  const results: CheckResult[] = [];
  const report = (...checks: readonly CheckResult[]) => void results.push(...checks);
  await followJob({ kubectl: new FakeKubectl(status, log), profile, report, signal: new AbortController().signal }, () => {});
  return results;
}

test('the Job is followed until its totals', async () => {
  expect(await follow({}, `${check}\n${totals}\n`)).toEqual([JSON.parse(check)]);
});

test('a Job that ends without its totals fails the run, with its last lines', async () => {
  const failed = { conditions: [{ type: 'Failed', status: 'True' }] };
  for (const status of [failed, { succeeded: 1 }]) {
    const [first, last] = await follow(status, `${check}\nTraceback\nKeyError: 'X'\n`);
    expect(first?.name).toBe('a');
    expect(last).toMatchObject({ name: 'the Job completes', state: 'failed' });
    expect(last?.detail).toContain("Traceback; KeyError: 'X'");
  }
});

test('the Job has the time for each of its phases', () => {
  const value = podOf(job)?.containers[0]?.env?.find(({ name }) => name === 'TIMEOUTS')?.value ?? '';
  const { names, task, telemetry, beat } = JSON.parse(value);
  expect(job.spec.activeDeadlineSeconds).toBeGreaterThan(names + task + telemetry);
  expect(longest(job)).toBeGreaterThan(job.spec.activeDeadlineSeconds);
  expect(beat).toBeLessThan(task + telemetry);
});

test('the Job has every module of the package', () => {
  const modules = readdirSync('charts/smoke').filter((file) => /(?<!_test|conftest)\.py$/.test(file));
  expect(Object.keys(files)).toEqual(modules.sort());
});

test('what up applies leaves out the smoke test', () => {
  expect(profile.objects.filter((object) => profile.smoke.includes(object))).toEqual([]);
  expect(profile.smoke.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['Job', 'ConfigMap', 'NetworkPolicy', 'ServiceAccount']));
});
