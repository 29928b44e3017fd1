import { ApiObject, type App, Chart, Yaml } from 'cdk8s';

/** One object as Kubernetes reads it. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  // biome-ignore lint/suspicious/noExplicitAny: the fields depend on the kind, and the API's schemas check them
  readonly [field: string]: any;
}

/** The part of a container that tools and rules read. */
export interface ContainerManifest {
  readonly name: string;
  readonly image: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: readonly EnvManifest[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number; readonly protocol?: string }[];
  readonly resources: Readonly<Record<'requests' | 'limits', Readonly<Record<string, string>>>>;
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }[];
  readonly securityContext: Readonly<Record<string, unknown>>;
  readonly [probe: `${string}Probe`]: ProbeManifest | undefined;
}

/** An environment variable with a value or a source. */
interface EnvManifest {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: {
    readonly secretKeyRef?: { readonly name: string; readonly key: string };
    readonly fieldRef?: { readonly fieldPath: string };
  };
}

/** The part of a probe that tools and rules read. */
interface ProbeManifest {
  readonly httpGet?: { readonly port: string | number; readonly path?: string };
  readonly tcpSocket?: { readonly port: string | number };
  readonly exec?: { readonly command: readonly string[] };
  readonly periodSeconds?: number;
  readonly timeoutSeconds?: number;
  readonly failureThreshold?: number;
  readonly successThreshold?: number;
}

/** The part of a pod's spec that tools and rules read. */
export interface PodManifest {
  readonly containers: readonly ContainerManifest[];
  readonly serviceAccountName: string;
  readonly priorityClassName: string;
  readonly terminationGracePeriodSeconds: number;
  readonly volumes?: readonly {
    readonly name: string;
    readonly configMap?: { readonly name: string };
    readonly secret?: { readonly secretName: string; readonly items: readonly { readonly key: string }[] };
    readonly persistentVolumeClaim?: { readonly claimName: string };
  }[];
}

/** Renders the objects of every chart, by file: the chart's path in the app plus `.yaml`. */
export function manifests(app: App): ReadonlyMap<string, readonly Manifest[]> {
  const charts = app.node.findAll().filter((node) => Chart.isChart(node));
  // App.synth and Chart.toJson walk the whole app once per chart; this renders each object once.
  return new Map(
    charts.map((chart) => [
      `${chart.node.path}.yaml`,
      chart.node.findAll().flatMap((node) => (ApiObject.isApiObject(node) ? [unsubstituted(node.toJson())] : [])),
    ]),
  );
}

/** Disables Flux' `postBuild` substitution where it would replace `${variable}` and `$$`, which shells and configs use. */
function unsubstituted(object: Manifest): Manifest {
  if (!/\$\{|\$\$/.test(JSON.stringify(object))) return object;
  const annotations = { ...object.metadata.annotations, 'kustomize.toolkit.fluxcd.io/substitute': 'disabled' };
  return { ...object, metadata: { ...object.metadata, annotations } };
}

/** The spec of the pods that an object runs, if any. */
export function podOf(manifest: Manifest): PodManifest | undefined {
  return manifest.spec?.template?.spec;
}

/** The claim templates of a StatefulSet; empty for other objects. */
export function claimTemplates({ spec }: Manifest): readonly Manifest[] {
  return spec?.volumeClaimTemplates ?? [];
}

/** The text of one file. */
export function text(objects: readonly Manifest[]): string {
  // checkov mistakes the key's name for a secret and accepts exceptions to this check only as comments.
  return Yaml.stringify(...objects).replace(/^ +(- )?secretKey: \S+$/gm, '$& # checkov:skip=CKV_SECRET_6:a name, not a value');
}
