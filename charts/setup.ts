import { Chart, type Size } from 'cdk8s';
import { type Cpu, k8s } from 'cdk8s-plus-27';
import type { Construct } from 'constructs';
import type { Shared } from '../lib/component.ts';
import { type Disk, NEVER_PRUNE, persistentVolumeClaim } from '../lib/disk.ts';
import { priorities, priorityClass } from '../lib/pod.ts';
import { bytes, cores, millis } from '../lib/quantity.ts';

/** Limits of the namespace. */
export interface SetupSettings {
  /** ResourceQuota of the namespace. */
  readonly quota: {
    /** Maximum sum of CPU requests. It must exceed those of the profile, for rollouts and Jobs. */
    readonly cpu: Cpu;
    /** Maximum sum of memory requests and of memory limits, which are equal. */
    readonly memory: Size;
    /** Maximum sum of the disks. */
    readonly disk: Size;
  };
}

/** The objects that are applied first: the namespace and its limits, the priorities, and the disks of Deployments. */
export class Setup extends Chart {
  private readonly shared: Shared;

  constructor(scope: Construct, id: string, shared: Shared, settings: SetupSettings) {
    const labels = {
      ...shared.labels,
      'app.kubernetes.io/name': id,
      'app.kubernetes.io/instance': id,
      'app.kubernetes.io/component': 'setup',
    };
    // Some of these objects are cluster-scoped, so the chart has no namespace.
    super(scope, id, { disableResourceNameHashes: true, labels });
    this.shared = shared;
    const { namespace } = shared;

    const restricted = ['enforce', 'audit', 'warn'].flatMap((mode) => [
      [`pod-security.kubernetes.io/${mode}`, 'restricted'],
      // Pinned, so that an upgrade of Kubernetes does not change which pods are admitted.
      [`pod-security.kubernetes.io/${mode}-version`, 'v1.34'],
    ]);
    new k8s.KubeNamespace(this, 'namespace', {
      metadata: { name: namespace, labels: Object.fromEntries(restricted), annotations: NEVER_PRUNE },
    });

    new k8s.KubeNetworkPolicy(this, 'default-deny', {
      metadata: { name: 'default-deny', namespace },
      spec: { podSelector: {}, policyTypes: ['Ingress', 'Egress'] },
    });

    const memory = bytes(settings.quota.memory);
    new k8s.KubeResourceQuota(this, 'quota', {
      metadata: { name: 'quota', namespace },
      spec: {
        hard: {
          'requests.cpu': cores(millis(settings.quota.cpu)),
          'requests.memory': memory,
          'limits.memory': memory,
          'requests.storage': bytes(settings.quota.disk),
        },
      },
    });
    const amount = k8s.Quantity.fromString;
    new k8s.KubeLimitRange(this, 'limits', {
      metadata: { name: 'limits', namespace },
      spec: {
        // For pods that are started by hand: every container of the charts has its own.
        limits: [
          {
            type: 'Container',
            defaultRequest: { cpu: amount('50m'), memory: amount('128Mi'), 'ephemeral-storage': amount('64Mi') },
            default: { cpu: amount('1'), memory: amount('128Mi'), 'ephemeral-storage': amount('64Mi') },
          },
        ],
      },
    });

    priorities.forEach((priority, index) => {
      new k8s.KubePriorityClass(this, priority, {
        metadata: { name: priorityClass(namespace, priority) },
        value: (priorities.length - index) * 10_000,
        description: `Platform in ${namespace}; from the highest to the lowest: ${priorities.join(', ')}.`,
      });
    });
  }

  /** Creates a disk for the Deployment `name`, which outlives the Deployment. */
  disk(name: string, size: Size): Disk {
    return persistentVolumeClaim(this, name, size, this.shared);
  }
}
