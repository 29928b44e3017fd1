import type { Endpoint } from './component.ts';

/** A metrics endpoint and how Prometheus scrapes it. */
export interface ScrapeTarget {
  readonly endpoint: Endpoint;
  /** Path of the metrics. @default /metrics */
  readonly path?: string;
  /** Query parameters. @default - none */
  readonly params?: Readonly<Record<string, readonly string[]>>;
  /** A host for each pod. @default - the endpoint's host */
  readonly hosts?: readonly string[];
  /** Finds the pods by the DNS name of a headless Service. @default false */
  readonly dnsDiscovery?: boolean;
  /** Basic authentication or a bearer token, by the path in Prometheus' container. @default - none */
  readonly auth?: { readonly user: string; readonly passwordFile: string } | { readonly tokenFile: string };
}
