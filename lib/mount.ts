import type { k8s } from 'cdk8s-plus-27';

/** A folder of a container together with what it is made of, so that neither is ever declared without the other. */
export interface Mount {
  readonly path: string;
  /** The volume's name in the pod. */
  readonly name: string;
  readonly readOnly?: boolean;
  /** The volume. @default - `claim` makes it */
  readonly volume?: Omit<k8s.Volume, 'name'>;
  /** A volumeClaimTemplate of the same name. */
  readonly claim?: k8s.PersistentVolumeClaimSpec;
  /** A fingerprint of the content, for the pod's annotation: a new one rolls the pod. */
  readonly checksum?: () => string;
  /** MiB of the node's disk that it may fill. @default 0 */
  readonly ephemeralStorage?: number;
}
