import type { Chart, ChartProps } from 'cdk8s';
import * as kplus from 'cdk8s-plus-27';
import { k8s } from 'cdk8s-plus-27';
import { Construct } from 'constructs';
import { tagOf } from './image.ts';

const { tcp, udp } = kplus.NetworkPolicyPort;
const { DENY } = kplus.NetworkPolicyTrafficDefault;

/** Settings that all charts of an installation share. */
export interface Shared extends ChartProps {
  /** The namespace of all objects; the prefix of cluster-scoped names. */
  readonly namespace: string;
  /** Labels of every object, such as part-of and managed-by. */
  readonly labels: Labels;
  /** `IfNotPresent` where images are loaded into the nodes, otherwise `Always`. */
  readonly imagePullPolicy: 'Always' | 'IfNotPresent';
  /** StorageClass of all disks. @default - the cluster's default class */
  readonly storageClass?: string;
}

export type Labels = Readonly<Record<string, string>>;

/** A TCP port, or a UDP port. */
export type Port = number | { readonly udp: number };

/** A port that a chart offers to the others. `Kind` is the port's name and stands for its protocol. */
export interface Endpoint<Kind extends string = string> {
  readonly kind: Kind;
  readonly component: Component;
  /** The Service's name. */
  readonly host: string;
  readonly port: Port;
}

/** An address outside the cluster, from the settings. */
export interface External {
  readonly host: string;
  readonly port: number;
  /** The host's IP addresses. @default 0.0.0.0/0, any IPv4 address */
  readonly cidr?: string;
}

/** A Service and its endpoints, by port name. */
export interface Service<Kind extends string = string> {
  readonly name: string;
  readonly endpoints: { readonly [K in Kind]: Endpoint<K> };
}

/** A set of pods with their labels, their ServiceAccount and their NetworkPolicy. */
export class Component extends Construct {
  /** The labels of every object of this component. */
  readonly labels: Labels;
  private readonly pods: kplus.Pods;
  private readonly policy: kplus.NetworkPolicy;
  private readonly connected = new Set<string>();
  private readonly ingressPolicies = new Map<Component, kplus.NetworkPolicy>();

  /**
   * `role` is the label app.kubernetes.io/component; the tag of `image` is the label app.kubernetes.io/version.
   * The policies that admit an `ephemeral` component belong to it, so the targets' own policies do not change when it comes or goes.
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
    this.pods = kplus.Pods.select(this, 'pods', { labels: this.podSelector });
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

  /** Metadata of an object; `instance` is the name of the workload, where the component has several. */
  metadata(name = this.name, instance = this.name): { name: string; labels: Record<string, string> } {
    return { name, labels: { ...this.labels, 'app.kubernetes.io/instance': instance } };
  }

  /** Selects the pods of all workloads of this component. */
  get podSelector(): Record<string, string> {
    return { 'app.kubernetes.io/name': this.name };
  }

  /** Selects the pods of one workload. Selectors are immutable, so this has no version or other changing label. */
  workloadSelector(instance = this.name): Record<string, string> {
    return { 'app.kubernetes.io/name': this.name, 'app.kubernetes.io/instance': instance };
  }

  /**
   * Creates a Service for these pods.
   * `headless`: its name resolves to the pods' addresses, which StatefulSets require.
   * `publishNotReadyAddresses`: its name also resolves to pods that are not ready, such as cluster members that start.
   */
  serve<Kind extends string>(
    ports: { readonly [K in Kind]: Port },
    options: { readonly name?: string; readonly headless?: boolean; readonly publishNotReadyAddresses?: boolean } = {},
  ): Service<Kind> {
    const name = options.name ?? this.name;
    const namedPorts = Object.entries<Port>(ports);
    new k8s.KubeService(this, `service-${name}`, {
      metadata: this.metadata(name),
      spec: {
        type: 'ClusterIP',
        ...(options.headless && { clusterIp: 'None' }),
        ...(options.publishNotReadyAddresses && { publishNotReadyAddresses: true }),
        // The role excludes smoke's probe pods, which have this component's name so that its policies apply to them.
        selector: { ...this.podSelector, 'app.kubernetes.io/component': this.props.role },
        ports: namedPorts.map(([kind, port]) => ({
          name: kind,
          port: portNumber(port),
          protocol: portProtocol(port),
          targetPort: k8s.IntOrString.fromString(kind),
        })),
      },
    });
    const endpoints = namedPorts.map(([kind, port]): [string, Endpoint] => [kind, { kind, component: this, host: name, port }]);
    return { name, endpoints: Object.fromEntries(endpoints) as unknown as Service<Kind>['endpoints'] };
  }

  /**
   * Allows connections to `target`, in the policies of both sides.
   * @returns the target's `host:port`
   */
  connect(target: Endpoint): string {
    const path = `${target.component.name} ${target.kind}`;
    // A pod needs no rule to reach itself.
    if (target.component !== this && !this.connected.has(path)) {
      this.connected.add(path);
      const port = policyPort(target.port);
      this.policy.addEgressRule(target.component.pods, [port]);
      this.ingressPolicyOf(target.component).addIngressRule(this.pods, [port]);
    }
    return `${target.host}:${portNumber(target.port)}`;
  }

  /** The policy that admits these pods to `target`. */
  private ingressPolicyOf(target: Component): kplus.NetworkPolicy {
    if (!this.props.ephemeral) return target.policy;
    const name = `${this.name}-to-${target.name}`;
    const known =
      this.ingressPolicies.get(target) ?? new kplus.NetworkPolicy(this, name, { metadata: this.metadata(name), selector: target.pods });
    this.ingressPolicies.set(target, known);
    return known;
  }

  /** Allows connections between these pods. */
  connectSelf(...ports: readonly Port[]): void {
    const allowed = ports.map(policyPort);
    this.policy.addEgressRule(this.pods, allowed);
    this.policy.addIngressRule(this.pods, allowed);
  }

  /**
   * Allows connections to `target` outside the cluster.
   * @returns the target's `host:port`
   */
  connectExternal(target: External): string {
    const addresses = kplus.NetworkPolicyIpBlock.ipv4(this, `${target.host}:${target.port}`, target.cidr ?? '0.0.0.0/0');
    this.policy.addEgressRule(addresses, [tcp(target.port)]);
    return `${target.host}:${target.port}`;
  }
}

/** The number of a TCP or UDP port. */
export function portNumber(port: Port): number {
  return typeof port === 'number' ? port : port.udp;
}

/** The protocol of a port. */
export function portProtocol(port: Port): 'TCP' | 'UDP' {
  return typeof port === 'number' ? 'TCP' : 'UDP';
}

function policyPort(port: Port): kplus.NetworkPolicyPort {
  return typeof port === 'number' ? tcp(port) : udp(port.udp);
}
