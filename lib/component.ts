import type { Chart, ChartProps } from 'cdk8s';
import * as kplus from 'cdk8s-plus-27';
import { k8s } from 'cdk8s-plus-27';
import { Construct } from 'constructs';
import { tagOf } from './image.ts';

const { tcp, udp } = kplus.NetworkPolicyPort;
const { DENY } = kplus.NetworkPolicyTrafficDefault;

/** What every chart of one installation shares. */
export interface Shared extends ChartProps {
  /** The namespace of everything. Cluster-scoped names begin with it. */
  readonly namespace: string;
  /** Part-of, managed-by and whatever else every object carries. */
  readonly labels: Labels;
  /** `IfNotPresent` where images are loaded into the nodes, else `Always`. */
  readonly pull: 'Always' | 'IfNotPresent';
  /** StorageClass of every disk. @default - the cluster's default class */
  readonly storageClass?: string;
}

export type Labels = Readonly<Record<string, string>>;

/** A port number; TCP unless it says `udp`. */
export type Port = number | { readonly udp: number };

/** A port that one chart offers to the others; `Kind`, its port's name, is what is spoken there. */
export interface Endpoint<Kind extends string = string> {
  readonly kind: Kind;
  readonly component: Component;
  /** The Service's name, or a pod's own name below it: an address within the namespace. */
  readonly host: string;
  readonly port: Port;
}

/** An address outside the cluster that the settings declare. */
export interface External {
  readonly host: string;
  readonly port: number;
  /** The addresses behind the host. @default 0.0.0.0/0, any IPv4 address */
  readonly cidr?: string;
}

/** A Service and the endpoints behind its named ports. */
export interface Served<Kind extends string> {
  readonly name: string;
  readonly at: { readonly [K in Kind]: Endpoint<K> };
}

/** One set of pods: the labels that select them, the account they run as and the one policy that guards them. */
export class Component extends Construct {
  /** The labels of every object of this component. */
  readonly labels: Labels;
  private readonly pods: kplus.Pods;
  private readonly policy: kplus.NetworkPolicy;
  private readonly open = new Set<string>();
  private readonly ingressPolicies = new Map<Component, kplus.NetworkPolicy>();

  /**
   * `image` is the one whose tag says which version these pods run.
   * `role` is the value of the label app.kubernetes.io/component.
   * An `ephemeral` component comes and goes: the policies that let it in are its own, and those of its targets do not change.
   */
  constructor(
    chart: Chart,
    readonly name: string,
    readonly shared: Shared,
    private readonly props: { readonly role: string; readonly image: string; readonly ephemeral?: boolean },
  ) {
    super(chart, name);
    this.labels = {
      ...shared.labels,
      'app.kubernetes.io/name': name,
      'app.kubernetes.io/instance': name,
      'app.kubernetes.io/component': props.role,
      'app.kubernetes.io/version': tagOf(props.image),
    };
    this.pods = kplus.Pods.select(this, 'pods', { labels: this.everyPod });
    new kplus.ServiceAccount(this, 'account', { metadata: this.metadata() });
    this.policy = new kplus.NetworkPolicy(this, 'policy', {
      metadata: this.metadata(),
      selector: this.pods,
      ingress: { default: DENY },
      egress: { default: DENY },
    });
    const dns = kplus.Namespaces.select(this, 'dns', { names: ['kube-system'] });
    this.policy.addEgressRule(dns, [udp(53), tcp(53)]);
  }

  /** Metadata of an object of this component; `instance` names one of several workloads. */
  metadata(name = this.name, instance = this.name): { name: string; labels: Record<string, string> } {
    return { name, labels: { ...this.labels, 'app.kubernetes.io/instance': instance } };
  }

  /** What selects the pods of all workloads of this component. */
  get everyPod(): Record<string, string> {
    return { 'app.kubernetes.io/name': this.name };
  }

  /** What selects the pods of one workload: immutable, so neither version nor anything else that changes. */
  selector(instance = this.name): Record<string, string> {
    return { 'app.kubernetes.io/name': this.name, 'app.kubernetes.io/instance': instance };
  }

  /**
   * A Service over these pods whose ports are named by what is spoken there.
   * `headless`: the name answers with the pods' own addresses, as StatefulSets need it.
   * `publishNotReadyAddresses`: pods are found before they are ready, as members of a cluster must be.
   */
  serve<Kind extends string>(
    ports: { readonly [K in Kind]: Port },
    options: { readonly name?: string; readonly headless?: boolean; readonly publishNotReadyAddresses?: boolean } = {},
  ): Served<Kind> {
    const name = options.name ?? this.name;
    const named = Object.entries<Port>(ports);
    new k8s.KubeService(this, `service-${name}`, {
      metadata: this.metadata(name),
      spec: {
        type: 'ClusterIP',
        ...(options.headless && { clusterIp: 'None' }),
        ...(options.publishNotReadyAddresses && { publishNotReadyAddresses: true }),
        // By role too: a pod that smoke gives this component's name, to be let through its policies, must not become an endpoint.
        selector: { ...this.everyPod, 'app.kubernetes.io/component': this.props.role },
        ports: named.map(([kind, port]) => ({
          name: kind,
          port: numberOf(port),
          protocol: protocolOf(port),
          targetPort: k8s.IntOrString.fromString(kind),
        })),
      },
    });
    const endpoints = named.map(([kind, port]): [string, Endpoint] => [kind, { kind, component: this, host: name, port }]);
    return { name, at: Object.fromEntries(endpoints) as unknown as Served<Kind>['at'] };
  }

  /** Opens the path to `target` on both sides and returns its `host:port`. */
  connect(target: Endpoint): string {
    const path = `${target.component.name} ${target.kind}`;
    // A pod reaches itself without a rule.
    if (target.component !== this && !this.open.has(path)) {
      this.open.add(path);
      const port = typeof target.port === 'number' ? tcp(target.port) : udp(target.port.udp);
      this.policy.addEgressRule(target.component.pods, [port]);
      this.ingressPolicyOf(target.component).addIngressRule(this.pods, [port]);
    }
    return `${target.host}:${numberOf(target.port)}`;
  }

  /** The policy that lets these pods in at `target`. */
  private ingressPolicyOf(target: Component): kplus.NetworkPolicy {
    if (!this.props.ephemeral) return target.policy;
    const name = `${this.name}-to-${target.name}`;
    const known =
      this.ingressPolicies.get(target) ?? new kplus.NetworkPolicy(this, name, { metadata: this.metadata(name), selector: target.pods });
    this.ingressPolicies.set(target, known);
    return known;
  }

  /** Opens the path between these pods, on both sides. */
  connectSelf(...ports: readonly Port[]): void {
    const allowed = ports.map((port) => (typeof port === 'number' ? tcp(port) : udp(port.udp)));
    this.policy.addEgressRule(this.pods, allowed);
    this.policy.addIngressRule(this.pods, allowed);
  }

  /** Opens the path out of the cluster to `target` and returns its `host:port`. */
  connectExternal(target: External): string {
    const addresses = kplus.NetworkPolicyIpBlock.ipv4(this, `${target.host}:${target.port}`, target.cidr ?? '0.0.0.0/0');
    this.policy.addEgressRule(addresses, [tcp(target.port)]);
    return `${target.host}:${target.port}`;
  }
}

/** The number of a port, whichever its protocol. */
export function numberOf(port: Port): number {
  return typeof port === 'number' ? port : port.udp;
}

/** `TCP` or `UDP`. */
export function protocolOf(port: Port): 'TCP' | 'UDP' {
  return typeof port === 'number' ? 'TCP' : 'UDP';
}
