import type { Endpoint } from './component.ts';

/** A metrics port and how to ask it. */
export interface ScrapeTarget {
  readonly endpoint: Endpoint;
  /** @default /metrics */
  readonly path?: string;
  readonly params?: Readonly<Record<string, readonly string[]>>;
  /** One name for each pod. @default - the endpoint's host alone */
  readonly hosts?: readonly string[];
  /** The host's name answers with every pod's address, and their number changes. @default false */
  readonly discover?: boolean;
  /** Where Prometheus finds what opens the port. */
  readonly login?: { readonly user: string; readonly passwordFile: string } | { readonly tokenFile: string };
}
