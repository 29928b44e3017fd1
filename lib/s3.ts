import type { k8s } from 'cdk8s-plus-27';
import type { External } from './peer.ts';
import type { SecretRef } from './secret.ts';

/** A bucket of an S3-compatible store; the keys are the Secret `object-storage`. */
export interface Bucket {
  readonly name: string;
  readonly region: string;
  readonly endpoint: External;
}

/** The keys as Tempo and Loki write them into their own config: both expand variables and read the same names. */
export const bucketKeys = { access_key: '${S3_ACCESS_KEY}', secret_key: '${S3_SECRET_KEY}' };

/** The variables that `bucketKeys` names. */
export function bucketEnv(secret: SecretRef<'access-key' | 'secret-key'>): Record<string, k8s.EnvVarSource> {
  return { S3_ACCESS_KEY: secret.env('access-key'), S3_SECRET_KEY: secret.env('secret-key') };
}
