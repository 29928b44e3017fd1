import type { k8s } from 'cdk8s-plus-27';
import type { External } from './component.ts';
import type { SecretRef } from './secret.ts';

/** A bucket of an S3-compatible store; the keys are the Secret `object-storage`. */
export interface Bucket {
  readonly name: string;
  readonly region: string;
  readonly endpoint: External;
  /** Plain HTTP. @default - TLS */
  readonly insecure?: boolean;
  /** The bucket's name in the path, as MinIO and its like want it. @default - in the host name */
  readonly pathStyle?: boolean;
}

/** The endpoint as S3 clients want it: the port only where it does not go without saying. */
export function endpointOf({ endpoint }: Bucket): string {
  return endpoint.port === 443 ? endpoint.host : `${endpoint.host}:${endpoint.port}`;
}

/** The keys as Tempo and Loki write them into their own config: both expand variables and read the same names. */
export const bucketKeys = { access_key: '${S3_ACCESS_KEY}', secret_key: '${S3_SECRET_KEY}' };

/** Why Tempo and Loki read the keys from variables. */
export const BUCKET_VARIABLES = "it reads the bucket's keys from variables, or from one file in the format of AWS that holds both";

/** The variables that `bucketKeys` names. */
export function bucketEnv(secret: SecretRef<'access-key' | 'secret-key'>): Record<string, k8s.EnvVarSource> {
  return { S3_ACCESS_KEY: secret.env('access-key'), S3_SECRET_KEY: secret.env('secret-key') };
}
