import type { k8s } from 'cdk8s-plus-27';
import type { External } from './component.ts';
import type { SecretRef } from './secret.ts';

/** A bucket in S3-compatible object storage; its keys are in the Secret `object-storage`. */
export interface Bucket {
  readonly name: string;
  readonly region: string;
  readonly endpoint: External;
  /** Uses HTTP. @default false, HTTPS */
  readonly insecure?: boolean;
  /** Puts the bucket's name into the path, as MinIO requires. @default false, into the host name */
  readonly pathStyle?: boolean;
}

/** The endpoint as S3 clients expect it: without the default port 443. */
export function endpointOf({ endpoint }: Bucket): string {
  return endpoint.port === 443 ? endpoint.host : `${endpoint.host}:${endpoint.port}`;
}

/** The keys in the configuration of Tempo and Loki, which expand environment variables. */
export const bucketKeys = { access_key: '${S3_ACCESS_KEY}', secret_key: '${S3_SECRET_KEY}' };

/** Why the keys are environment variables. */
export const BUCKET_ENV_REASON = "it reads the bucket's keys only from variables or from a single file in AWS format";

/** The variables of `bucketKeys`. */
export function bucketEnv(secret: SecretRef<'access-key' | 'secret-key'>): Record<string, k8s.EnvVarSource> {
  return { S3_ACCESS_KEY: secret.env('access-key'), S3_SECRET_KEY: secret.env('secret-key') };
}
