import { command } from './command.ts';
import { confirmedContext } from './confirm.ts';
import { Kubectl } from './kubectl.ts';
import { Live } from './output.ts';
import { profileOf } from './profile.ts';
import { line, summary } from './smoke/check-result.ts';
import { runSmoke } from './smoke/run.ts';
import { UserError } from './user-error.ts';

/** Checks that a running platform does what it promises. */
export const smoke = command(
  'smoke',
  'send a task through everything, and check what the platform promises',
  `Runs a Job in the namespace, and short-lived pods that try every port in each
component's place. Removes them afterwards, also after Ctrl-C, and everything
that they wrote except a trace and its log line. The exit status is 1 if a check
failed. A check that does not apply to this cluster or this app is skipped,
which is no failure.

  npm run smoke -- --profile dev
  npm run smoke -- --profile prod --context production --json`,
).action(async ({ json = false, ...options }) => {
  const started = performance.now();
  const profile = profileOf(options.profile);
  const effect = (each: string) =>
    `This runs a Job and some pods for a minute in the cluster of context "${each}", in ${profile.namespace}`;
  const context = await confirmedContext(options.context, effect);
  const kubectl = new Kubectl(context, profile.namespace);
  const live = new Live(json);
  if ((await kubectl.run(['get', 'namespace', profile.namespace, '--ignore-not-found', '--output=name'])).trim() === '')
    throw new UserError(`the namespace ${profile.namespace} does not exist: npm run up -- --profile ${profile.name}`);

  const checks = await runSmoke(kubectl, profile, (check) => live.log(line(check, context)));
  const well = checks.every(({ state }) => state !== 'failed');
  const seconds = (performance.now() - started) / 1000;
  if (json) console.log(JSON.stringify({ profile: profile.name, context, well, seconds, checks }));
  else live.log(summary(checks, seconds));
  process.exitCode = well ? 0 : 1;
});
