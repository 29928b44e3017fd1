import { parse } from 'yaml';
import type { Finding, Platform } from './platform.ts';

const MIB = 2 ** 20;
/** How much larger than a batch a push within Loki may be: it copies a resource's attributes into each of its records. */
const COPIES = 4;

/**
 * No request or batch of a collector is larger than what its store takes, and no batch is smaller than a single record may be:
 * the first would be refused for good or for ever, the second dropped.
 */
export function* batches(platform: Platform): Iterable<Finding> {
  for (const { object, field, config } of collectors(platform)) {
    const largestRequest = requestLimit(config.receivers?.otlp?.protocols);
    for (const [name, { endpoint, sending_queue: queue }] of Object.entries(config.exporters ?? {})) {
      if (!queue) continue;
      const at = `${field}: exporters.${name}.sending_queue.batch`;
      const largest = queue.batch ? (queue.batch.sizer === 'bytes' && queue.batch.max_size) || Number.POSITIVE_INFINITY : largestRequest;
      if (largest === Number.POSITIVE_INFINITY)
        yield { object, field: at, wrong: 'a batch has no limit in bytes', fix: 'set sizer: bytes and max_size' };
      if (largest < largestRequest)
        yield {
          object,
          field: at,
          wrong: `a batch has at most ${largest} bytes, and one record may have ${largestRequest}: it cannot be split, and would be dropped`,
          fix: "raise max_size to the receivers' limit of a request",
        };
      const host = /^(?:https?:\/\/)?([^:/]+)/.exec(endpoint ?? '')?.[1] ?? '';
      for (const limit of storeLimits(platform, host)) {
        if (largest === Number.POSITIVE_INFINITY || limit.bytes >= largest * limit.copies) continue;
        yield {
          object,
          field: at,
          wrong: `it may need ${largest * limit.copies} bytes at once, and ${limit.name} of ${host} is ${limit.bytes}`,
          fix: 'let both follow from LARGEST_REQUEST in lib/telemetry.ts',
        };
      }
    }
  }
}

interface CollectorConfig {
  readonly receivers?: { readonly otlp?: { readonly protocols?: Protocols } };
  readonly exporters?: Readonly<Record<string, Exporter>>;
}

interface Protocols {
  readonly grpc?: { readonly max_recv_msg_size_mib?: number };
  readonly http?: { readonly max_request_body_size?: number };
}

interface Exporter {
  readonly endpoint?: string;
  readonly sending_queue?: { readonly batch?: { readonly sizer?: string; readonly max_size?: number } };
}

function* collectors(platform: Platform): Iterable<{ object: Finding['object']; field: string; config: CollectorConfig }> {
  for (const object of platform.of('ConfigMap'))
    for (const [key, text] of Object.entries<string>(object.data))
      if (/^exporters:$/m.test(text)) yield { object, field: `data.${key}`, config: parse(text) };
}

/** Bytes of the largest request that the receivers accept; what they do not state has the Collector's default. */
function requestLimit(protocols: Protocols = {}): number {
  const grpc = (protocols.grpc?.max_recv_msg_size_mib ?? 4) * MIB;
  const http = protocols.http?.max_request_body_size ?? 20 * MIB;
  return Math.max(protocols.grpc ? grpc : 0, protocols.http ? http : 0);
}

interface Limit {
  readonly name: string;
  readonly bytes: number;
  readonly copies: number;
}

/** The limits of a store for what it is sent at once; what its configuration does not state has the store's default. */
function storeLimits(platform: Platform, host: string): readonly Limit[] {
  const texts = Object.entries<string>(platform.find('ConfigMap', host)?.data ?? {});
  return texts.flatMap(([key, text]) => {
    const config = key.endsWith('.yaml') ? parse(text) : {};
    if (config.live_store || config.metrics_generator) {
      const defaults = config.overrides?.defaults;
      return [
        {
          name: 'max_recv_msg_size_mib',
          bytes: (config.distributor?.receivers?.otlp?.protocols?.grpc?.max_recv_msg_size_mib || 4) * MIB,
          copies: 1,
        },
        { name: 'max_bytes_per_trace', bytes: unlimited(defaults?.global?.max_bytes_per_trace, 5_000_000), copies: 1 },
        { name: 'burst_size_bytes', bytes: defaults?.ingestion?.burst_size_bytes ?? 20_000_000, copies: 1 },
      ];
    }
    if (config.schema_config) {
      return [
        { name: 'grpc_server_max_recv_msg_size', bytes: config.server?.grpc_server_max_recv_msg_size ?? 4 * MIB, copies: COPIES },
        { name: 'ingestion_burst_size_mb', bytes: (config.limits_config?.ingestion_burst_size_mb ?? 6) * MIB, copies: COPIES },
        { name: 'max_line_size', bytes: sizeOf(config.limits_config?.max_line_size ?? '256KB'), copies: 1 },
      ];
    }
    return [];
  });
}

/** Tempo's way to say that there is no limit is 0. */
function unlimited(value: number | undefined, otherwise: number): number {
  return value === 0 ? Number.POSITIVE_INFINITY : (value ?? otherwise);
}

/** Loki's sizes: `256KB` is 262144. */
function sizeOf(text: string | number): number {
  const [, number, unit = ''] = /^([\d.]+)\s*([KMG]?)B?$/i.exec(String(text)) ?? [];
  return Number(number) * 1024 ** (' KMG'.indexOf(unit.toUpperCase()) || 0);
}
