import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { amountOf } from '../lib/quantity.ts';
import type { Manifest } from '../lib/render.ts';
import { images as released } from '../settings/images.ts';
import { workloadsOf } from './cluster.ts';
import { loadHelp } from './diagnose.ts';
import type { Kubectl } from './kubectl.ts';
import type { Profile } from './profile.ts';
import { UserError } from './user-error.ts';

/** The oldest Kubernetes that has every field of the manifests: a preStop hook that sleeps came with it. */
const OLDEST = 30;
/** What it takes to apply an object server-side. */
const VERBS = ['get', 'create', 'patch'];

/** As the server lists them. */
interface AccessRule {
  readonly verbs: readonly string[];
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
}

/** What of the cluster decides whether the profile can run there. */
export interface ClusterState {
  readonly version: string;
  readonly nodes: readonly Manifest[];
  readonly pods: readonly Manifest[];
  /** @default undefined - the user may not see them */
  readonly storageClasses?: readonly Manifest[] | undefined;
  /** What the user may do in the namespace. @default undefined - the server cannot tell */
  readonly rules?: readonly AccessRule[];
  readonly operator: boolean;
}

/** Looks at the cluster. Throws a UserError when it does not answer. */
export async function inspect(kubectl: Kubectl, profile: Profile): Promise<ClusterState> {
  // One call first: a cluster that does not answer says so once.
  const { serverVersion } = JSON.parse(await kubectl.run(['version', '--output=json'], { seconds: 15 }));
  const [nodes, pods, storageClasses, operator, [review]] = await Promise.all([
    kubectl.objects(['get', 'nodes']).catch(nothing),
    kubectl.objects(['get', 'pods', '--all-namespaces', '--field-selector=status.phase!=Succeeded,status.phase!=Failed']).catch(nothing),
    kubectl.objects(['get', 'storageclasses']).catch(() => undefined),
    kubectl
      .run(['get', 'customresourcedefinitions', 'externalsecrets.external-secrets.io', '--ignore-not-found', '--output=name'])
      .catch(() => 'unknown'),
    kubectl
      .objects(['create', '--validate=false', '--filename=-'], { stdin: JSON.stringify(rulesReview(profile.namespace)) })
      .catch(nothing),
  ]);
  const told = review && !review.status.incomplete;
  const version = `${serverVersion.major}.${serverVersion.minor}`;
  return { version, nodes, pods, storageClasses, operator: operator.trim() !== '', ...(told && { rules: review.status.resourceRules }) };
}

/** Why the profile cannot run there, each a sentence with the next step. */
export function* problems(profile: Profile, state: ClusterState): Iterable<string> {
  const [, minor = ''] = /^1\.(\d+)/.exec(state.version) ?? [];
  if (Number(minor) < OLDEST) yield `the server is Kubernetes ${state.version}, and the manifests need 1.${OLDEST}: upgrade it`;
  const forbidden = state.rules ? denied(profile, state.rules) : [];
  if (forbidden.length > 0) yield `you may not ${forbidden.join(', nor ')}: ask for a role that may, or let somebody with one run this`;
  if (profile.settings.externalSecrets && !state.operator) {
    yield `the External Secrets Operator, which makes the Secrets of ${profile.name}, is not in the cluster: install it, or take externalSecrets out of the profile and run npm run secrets`;
  }
  const claims = profile.objects.some(needsDefaultClass);
  const isDefault = ({ metadata }: Manifest) => metadata.annotations?.['storageclass.kubernetes.io/is-default-class'] === 'true';
  if (claims && state.storageClasses && !state.storageClasses.some(isDefault)) {
    const names = state.storageClasses.map(({ metadata }) => metadata.name).join(', ');
    yield `no StorageClass is the default, so no disk would be made: mark one as default${names ? ` (there is ${names})` : ', of an installed provisioner'}`;
  }
  yield* room(profile, state);
  yield* absentImages(profile, state);
}

/** Whether what the pods reserve fits beside what is there; pods of the profile's own namespace are on both sides of a second run. */
function* room(profile: Profile, { nodes, pods }: ClusterState): Iterable<string> {
  if (nodes.length === 0) return;
  const usable = nodes.filter(
    ({ spec }) => !spec.unschedulable && !spec.taints?.some(({ effect }: { effect: string }) => effect === 'NoSchedule'),
  );
  const others = pods.filter(({ metadata }) => metadata.namespace !== profile.namespace);
  const wanted = workloadsOf(profile).map(({ spec }) => ({ pod: spec.template, number: spec.replicas ?? 1 }));
  for (const [resource, unit, per] of [
    ['cpu', 'CPUs', 1],
    ['memory', 'GiB of memory', 2 ** 30],
  ] as const) {
    const there = sum(usable.map(({ status }) => amountOf(status.allocatable[resource])));
    const taken = sum(others.map((pod) => requested(pod, resource)));
    const needed = sum(wanted.map(({ pod, number }) => number * requested(pod, resource)));
    const say = (amount: number) => Number((amount / per).toFixed(2));
    if (needed > there - taken) {
      yield `${profile.name} reserves ${say(needed)} ${unit}, and ${say(Math.max(0, there - taken))} of ${say(there)} are free: add a node, free some, or make its settings smaller`;
    }
  }
}

/** The reference app's image, which is in no registry: somebody has to bring it. @default undefined - the profile has an app of its own */
export function appToBring({ settings }: Profile): string | undefined {
  return settings.images.app === released.app && !settings.mirror ? released.app : undefined;
}

/** Of how many images a kubelet tells at most: `nodeStatusMaxImages`, by default. */
const MOST_IMAGES = 50;

/**
 * The names of the nodes that do not have an image. Passed over are those that only pretend to run pods (kwok), and those
 * with more images than they tell of.
 */
export function nodesWithout(image: string, { nodes }: ClusterState): readonly string[] {
  const real = nodes.filter(({ metadata }) => metadata.labels?.type !== 'kwok');
  return real
    .filter(({ status: { images = [] } }) => images.length < MOST_IMAGES && !images.some(({ names }: Manifest) => names?.includes(image)))
    .map(({ metadata }) => metadata.name);
}

function* absentImages(profile: Profile, state: ClusterState): Iterable<string> {
  const app = appToBring(profile);
  const lacking = app ? nodesWithout(app, state) : [];
  if (app && lacking.length > 0) {
    yield `${app} is the reference app's image, which no registry has, and ${lacking.join(', ')} lacks it: build it (docker build -t ${app.replace('docker.io/', '')} app) and load it (${loadHelp(app)}), or name your own in settings/images.ts`;
  }
}

/** Builds the reference app's image and brings it into kind's nodes. Throws a UserError when a tool is missing or fails. */
export async function loadIntoKind(image: string, context: string, say: (text: string) => void): Promise<void> {
  const short = image.replace('docker.io/', '');
  say(`builds ${short} from app/`);
  await tool('docker', ['build', '--quiet', '--tag', short, 'app']);
  say(`loads ${short} into the nodes of ${context}`);
  await tool('kind', ['load', 'docker-image', short, '--name', context.replace(/^kind-/, '')]);
}

/** Makes a kind cluster of that name. Throws a UserError when kind is missing or fails. */
export async function createKind(name: string): Promise<void> {
  await tool('kind', ['create', 'cluster', '--name', name, '--wait', '120s']);
}

async function tool(file: string, args: readonly string[]): Promise<void> {
  try {
    await promisify(execFile)(file, [...args]);
  } catch (error) {
    const { code, stderr = '' } = error as { code?: string; stderr?: string };
    if (code === 'ENOENT')
      throw new UserError(`${file} is not on PATH: install it, or bring the image and the cluster yourself and run up without it`);
    throw new UserError(`${file} ${args[0]} failed: ${stderr.trim().split('\n').at(-1) || 'it says nothing'}`);
  }
}

const nothing = () => [] as readonly Manifest[];
const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

function requested(pod: { readonly spec?: Manifest } | Manifest, resource: string): number {
  return sum((pod.spec?.containers ?? []).map(({ resources }: Manifest) => amountOf(resources?.requests?.[resource])));
}

function needsDefaultClass({ kind, spec }: Manifest): boolean {
  const templates: readonly Manifest[] = spec?.volumeClaimTemplates ?? [];
  return (kind === 'PersistentVolumeClaim' ? [spec] : templates.map((each) => each.spec)).some(
    (each) => each.storageClassName === undefined,
  );
}

const rulesReview = (namespace: string) => ({ apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectRulesReview', spec: { namespace } });

/** `create statefulsets`: what applying the profile takes and the rules do not allow. */
function denied(profile: Profile, rules: readonly AccessRule[]): readonly string[] {
  const objects = profile.objects;
  const wanted = new Map(
    objects.map(({ apiVersion, kind }) => [pluralOf(kind), apiVersion.includes('/') ? apiVersion.replace(/\/.*/, '') : '']),
  );
  const has = (list: readonly string[] | undefined, item: string) => list?.some((each) => each === '*' || each === item) ?? false;
  return [...wanted.set('secrets', '')].flatMap(([resource, group]) => {
    const missing = VERBS.filter(
      (verb) => !rules.some((rule) => has(rule.verbs, verb) && has(rule.apiGroups, group) && has(rule.resources, resource)),
    );
    return missing.length > 0 ? [`${missing.join(' or ')} ${resource}`] : [];
  });
}

function pluralOf(kind: string): string {
  const word = kind.toLowerCase();
  if (word.endsWith('y')) return `${word.slice(0, -1)}ies`;
  return word.endsWith('s') ? `${word}es` : `${word}s`;
}
