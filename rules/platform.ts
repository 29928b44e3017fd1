import type { Manifest, PodManifest } from '../lib/render.ts';
import { podOf } from '../lib/render.ts';

/** What a rule found: one sentence's parts. */
export interface Finding {
  readonly object: Manifest;
  /** The field's path, as kubectl explain writes it. */
  readonly field: string;
  readonly wrong: string;
  /** What to do about it. */
  readonly fix: string;
}

/** A rule looks at all objects of a profile together and says what does not fit. */
export type Rule = (platform: Platform) => Iterable<Finding>;

/** What is true of a workload for as long as it holds data. */
interface Immutable {
  readonly serviceName?: string;
  /** Claim templates, as `name accessMode`. */
  readonly claims?: readonly string[];
  /** Seconds that the program needs to stop without losing anything. */
  readonly grace: number;
}

/** What the rules cannot read off the objects. */
export interface Facts {
  /** Keys of every Secret that will exist. */
  readonly secrets: Readonly<Record<string, readonly string[]>>;
  /** Addresses outside the cluster, as `host:port`. */
  readonly externals: readonly string[];
  /** By the name in `app.kubernetes.io/name`. */
  readonly immutable: Readonly<Record<string, Immutable>>;
}

/** An object that runs pods. */
export interface Workload {
  readonly object: Manifest;
  readonly pod: PodManifest;
  readonly labels: Labels;
  readonly replicas: number;
}

type Labels = Readonly<Record<string, string>>;

/** All objects of one profile, and the questions that rules ask of them. */
export class Platform {
  readonly workloads: readonly Workload[];

  constructor(
    readonly objects: readonly Manifest[],
    readonly facts: Facts = { secrets: {}, externals: [], immutable: {} },
  ) {
    this.workloads = objects.flatMap((object) => {
      const pod = podOf(object);
      const labels = object.spec?.template?.metadata?.labels ?? {};
      return pod ? [{ object, pod, labels, replicas: this.replicasOf(object) }] : [];
    });
  }

  /** How many pods a workload starts with, whoever decides it. */
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

/** Whether pods with `labels` are among those that `selector` wants. */
export function matches(selector: Labels, labels: Labels): boolean {
  return Object.entries(selector).every(([key, value]) => labels[key] === value);
}
