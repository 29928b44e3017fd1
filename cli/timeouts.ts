/** Time limits of the commands, in seconds. */
export const TIMEOUTS = {
  /** A call of kubectl that reads. */
  read: 30,
  /** A call of kubectl that applies or deletes many objects. */
  write: 120,
  /** The disk statistics of a node, without which `status` shows only the sizes. */
  diskUse: 3,
  /** All workloads of a profile become ready, or all of its pods terminate. */
  profile: 600,
  /** A stuck workload fails `up` after this: a cluster may add a node, a person a Secret. */
  stuck: 45,
  /** A node reports a new image: the kubelet looks every 30 s and reports every 10 s. */
  imageReport: 45,
  /** A health request: celery-exporter queries the workers twice, and each query waits a second for stragglers. */
  health: 6,
  /** A request that changes a credential in a service. */
  credential: 20,
  /** Consul accepts a new management token after its restart. */
  token: 60,
  /** A rollout or a Job completes. */
  rollout: 900,
  /** A Job and its pods are deleted. */
  jobDeletion: 60,
} as const;
