import { type ContainerManifest, type Manifest, type PodManifest, podOf } from '../lib/render.ts';

/** One violation of a rule. */
export interface Finding {
  readonly object: Manifest;
  /** The path of the field, as in kubectl explain. */
  readonly field: string;
  readonly wrong: string;
  /** The next step. */
  readonly fix: string;
}

/** Checks all objects of a profile together. */
export type Rule = (platform: Platform) => Iterable<Finding>;

/** The parts of a workload that must not change once it holds data. */
interface Immutable {
  readonly serviceName?: string;
  /** Claim templates, as `name accessMode`. */
  readonly claims?: readonly string[];
}

/** The facts that rules need and manifests do not hold. */
export interface Facts {
  /** The keys of every Secret that will exist. */
  readonly secrets: Readonly<Record<string, readonly string[]>>;
  /** Addresses outside the cluster, as `host:port`. */
  readonly externals: readonly string[];
  /** By the label `app.kubernetes.io/name`. */
  readonly immutable: Readonly<Record<string, Immutable>>;
  /** Seconds that a program needs to stop without losing data, by the same label. */
  readonly grace: Readonly<Record<string, number>>;
}

/** An object that runs pods. */
export interface Workload {
  readonly object: Manifest;
  readonly pod: PodManifest;
  readonly labels: Labels;
  /** The pods at start-up. */
  readonly replicas: number;
  /** The containers, with their paths. */
  readonly containers: readonly { readonly container: ContainerManifest; readonly field: string }[];
  /** The ConfigMaps that it mounts, and their contents. */
  readonly configs: readonly Manifest[];
  readonly texts: readonly string[];
}

/** The kinds of probes that a container may have. */
export const PROBES = ['startupProbe', 'readinessProbe', 'livenessProbe'] as const;

type Labels = Readonly<Record<string, string>>;

/** All objects of one profile, with look-ups. */
export class Platform {
  readonly workloads: readonly Workload[];

  constructor(
    readonly objects: readonly Manifest[],
    readonly facts: Facts = { secrets: {}, externals: [], immutable: {}, grace: {} },
  ) {
    this.workloads = objects.flatMap((object) => {
      const pod = podOf(object);
      if (!pod) return [];
      const labels = object.spec.template.metadata?.labels ?? {};
      const containers = pod.containers.map((container, at) => ({ container, field: `spec.template.spec.containers[${at}]` }));
      const configs = (pod.volumes ?? []).flatMap(({ configMap }) => (configMap && this.find('ConfigMap', configMap.name)) ?? []);
      const texts = configs.flatMap(({ data }) => Object.values<string>(data));
      return [{ object, pod, labels, replicas: this.replicasOf(object), containers, configs, texts }];
    });
  }

  /** The number of pods that a workload starts with. */
  replicasOf({ metadata, spec }: Manifest): number {
    const scaler = this.of('HorizontalPodAutoscaler').find((each) => each.spec.scaleTargetRef.name === metadata.name);
    return spec.replicas ?? scaler?.spec.minReplicas ?? 1;
  }

  of(kind: string): readonly Manifest[] {
    return this.objects.filter((object) => object.kind === kind);
  }

  find(kind: string, name: string): Manifest | undefined {
    return this.objects.find((object) => object.kind === kind && object.metadata.name === name);
  }

  /** The workloads whose pods have these labels. */
  selected(labels: Labels = {}): readonly Workload[] {
    return this.workloads.filter((workload) => matches(labels, workload.labels));
  }
}

/** Reports whether `selector` selects pods with `labels`. */
export function matches(selector: Labels, labels: Labels): boolean {
  return Object.entries(selector).every(([key, value]) => labels[key] === value);
}
