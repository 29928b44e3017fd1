import { amountOf } from '../lib/quantity.ts';
import type { Manifest } from '../lib/render.ts';
import { images as released } from '../settings/images.ts';
import { workloadsOf } from './cluster.ts';
import { loadHelp } from './diagnose.ts';
import type { Kubectl } from './kubectl.ts';
import type { Profile } from './profile.ts';

/** The oldest supported minor release of Kubernetes 1: it introduced preStop hooks that sleep. */
const OLDEST_MINOR = 30;
/** The verbs that a server-side apply needs. */
const VERBS = ['get', 'create', 'patch'];

/** A rule of the user's access, as a SelfSubjectRulesReview lists it. */
interface AccessRule {
  readonly verbs: readonly string[];
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
}

/** The facts of a cluster that decide whether a profile can run there. */
export interface ClusterState {
  readonly version: string;
  /** Empty when the user may not list them; so are the pods. */
  readonly nodes: readonly Manifest[];
  readonly pods: readonly Manifest[];
  /** Undefined when the user may not list them. */
  readonly storageClasses?: readonly Manifest[] | undefined;
  /** The user's access in the namespace. Undefined when the server does not know all of it. */
  readonly rules?: readonly AccessRule[];
  readonly hasSecretsOperator: boolean;
}

/** Reads the state of the cluster. Throws a UserError when it does not respond. */
export async function inspect(kubectl: Kubectl, profile: Profile): Promise<ClusterState> {
  // One call first, so that an unreachable cluster gives one error.
  const { serverVersion } = JSON.parse(await kubectl.run(['version', '--output=json']));
  const none = () => [];
  const accessReview = {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SelfSubjectRulesReview',
    spec: { namespace: profile.namespace },
  };
  const [nodes, pods, storageClasses, operator, [review]] = await Promise.all([
    kubectl.objects(['get', 'nodes']).catch(none),
    kubectl.objects(['get', 'pods', '--all-namespaces', '--field-selector=status.phase!=Succeeded,status.phase!=Failed']).catch(none),
    kubectl.objects(['get', 'storageclasses']).catch(() => undefined),
    kubectl
      .run(['get', 'customresourcedefinitions', 'externalsecrets.external-secrets.io', '--ignore-not-found', '--output=name'])
      .catch(() => 'unknown'),
    kubectl.objects(['create', '--validate=false', '--filename=-'], { stdin: JSON.stringify(accessReview) }).catch(none),
  ]);
  return {
    version: `${serverVersion.major}.${serverVersion.minor}`,
    nodes,
    pods,
    storageClasses,
    hasSecretsOperator: operator.trim() !== '',
    ...(review && !review.status.incomplete && { rules: review.status.resourceRules }),
  };
}

/** Why the profile cannot run in the cluster: sentences that say what to do. */
export function* problems(profile: Profile, state: ClusterState): Iterable<string> {
  const [, minor = ''] = /^1\.(\d+)/.exec(state.version) ?? [];
  if (Number(minor) < OLDEST_MINOR)
    yield `the cluster runs Kubernetes ${state.version}, and the manifests need 1.${OLDEST_MINOR} or later: upgrade it`;
  const denied = state.rules ? deniedAccess(profile, state.rules) : [];
  if (denied.length > 0) yield `you lack permission to ${denied.join(', to ')}: ask for a role that grants it`;
  if (profile.settings.externalSecrets && !state.hasSecretsOperator) {
    yield `the External Secrets Operator, which creates the Secrets of ${profile.name}, is not installed: install it, or remove externalSecrets from the profile and run npm run secrets`;
  }
  const claims = profile.objects.some(needsDefaultClass);
  const isDefault = ({ metadata }: Manifest) => metadata.annotations?.['storageclass.kubernetes.io/is-default-class'] === 'true';
  if (claims && state.storageClasses && !state.storageClasses.some(isDefault)) {
    const names = state.storageClasses.map(({ metadata }) => metadata.name).join(', ');
    yield `no StorageClass is the default, so no disk can be provisioned: ${names ? `mark one of ${names} as default` : 'install a provisioner and mark its class as default'}`;
  }
  yield* missingCapacity(profile, state);
  yield* missingImages(profile, state);
}

/** Compares the pods' requests with the nodes' free capacity. Pods of the profile's namespace are not counted: they are the ones to run. */
function* missingCapacity(profile: Profile, { nodes, pods }: ClusterState): Iterable<string> {
  if (nodes.length === 0) return;
  const usable = nodes.filter(({ spec }) => !spec.unschedulable && !spec.taints?.some(({ effect }: Manifest) => effect === 'NoSchedule'));
  const others = pods.filter(({ metadata }) => metadata.namespace !== profile.namespace);
  for (const [resource, unit, per] of [
    ['cpu', 'CPUs', 1],
    ['memory', 'GiB of memory', 2 ** 30],
  ] as const) {
    const total = sum(usable.map(({ status }) => amountOf(status.allocatable[resource])));
    const free = Math.max(0, total - sum(others.map(({ spec }) => requests(spec, resource))));
    const needed = sum(workloadsOf(profile).map(({ spec }) => (spec.replicas ?? 1) * requests(spec.template.spec, resource)));
    const format = (amount: number) => Number((amount / per).toFixed(2));
    if (needed > free) {
      yield `${profile.name} needs ${format(needed)} ${unit}, and ${format(free)} of ${format(total)} are free: add a node, free capacity, or lower the settings`;
    }
  }
}

/** The reference app's image, which no registry has. @returns undefined when the profile has an image of its own */
export function localImageOf({ settings }: Profile): string | undefined {
  return settings.images.app === released.app && !settings.mirror ? released.app : undefined;
}

/** The number of images that a kubelet reports at most: `nodeStatusMaxImages`, by default. */
const MAX_REPORTED_IMAGES = 50;

/** The names of the nodes that lack an image, without those that do not report all images and those that run no containers (kwok). */
export function nodesWithout(image: string, { nodes }: ClusterState): readonly string[] {
  return nodes
    .filter(({ metadata }) => metadata.labels?.type !== 'kwok')
    .filter(
      ({ status: { images = [] } }) => images.length < MAX_REPORTED_IMAGES && !images.some(({ names }: Manifest) => names?.includes(image)),
    )
    .map(({ metadata }) => metadata.name);
}

function* missingImages(profile: Profile, state: ClusterState): Iterable<string> {
  const image = localImageOf(profile);
  const nodes = image ? nodesWithout(image, state) : [];
  if (image && nodes.length > 0) {
    yield `${image} is the image of the reference app, which no registry has, and these nodes lack it: ${nodes.join(', ')}. Build it (docker build -t ${image.replace('docker.io/', '')} app) and load it (${loadHelp(image)}), or name your own image in settings/images.ts`;
  }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

/** The amount of a resource that the containers of a pod request. */
function requests(pod: Manifest | undefined, resource: string): number {
  return sum((pod?.containers ?? []).map(({ resources }: Manifest) => amountOf(resources?.requests?.[resource])));
}

function needsDefaultClass({ kind, spec }: Manifest): boolean {
  const claims = kind === 'PersistentVolumeClaim' ? [spec] : (spec?.volumeClaimTemplates ?? []).map((each: Manifest) => each.spec);
  return claims.some((each: Manifest) => each.storageClassName === undefined);
}

/** `create statefulsets`: the access that applying the profile needs and the rules lack. */
function deniedAccess(profile: Profile, rules: readonly AccessRule[]): readonly string[] {
  const groups = new Map(
    profile.objects.map(({ apiVersion, kind }) => [pluralOf(kind), apiVersion.includes('/') ? apiVersion.replace(/\/.*/, '') : '']),
  );
  const includes = (list: readonly string[] | undefined, item: string) => list?.some((each) => each === '*' || each === item) ?? false;
  return [...groups.set('secrets', '')].flatMap(([resource, group]) => {
    const missing = VERBS.filter(
      (verb) => !rules.some((rule) => includes(rule.verbs, verb) && includes(rule.apiGroups, group) && includes(rule.resources, resource)),
    );
    return missing.length > 0 ? [`${missing.join(' or ')} ${resource}`] : [];
  });
}

function pluralOf(kind: string): string {
  const word = kind.toLowerCase();
  if (word.endsWith('y')) return `${word.slice(0, -1)}ies`;
  return word.endsWith('s') ? `${word}es` : `${word}s`;
}
