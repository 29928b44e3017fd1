import type { k8s } from 'cdk8s-plus-27';

/** A volume and the folder of a container where it is mounted: one cannot be declared without the other. */
export interface Mount {
  readonly path: string;
  /** The volume's name in the pod. */
  readonly name: string;
  readonly readOnly?: boolean;
  /** @default - the volume of `claim` */
  readonly volume?: Omit<k8s.Volume, 'name'>;
  /** The spec of a volumeClaimTemplate of the same name. */
  readonly claim?: k8s.PersistentVolumeClaimSpec;
  /** A hash of the content, for an annotation of the pod: a change rolls the pod. */
  readonly checksum?: () => string;
  /** Maximum use of the node's disk in MiB. @default 0 */
  readonly ephemeralStorage?: number;
}
