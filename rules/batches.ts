import { parse } from 'yaml';
import type { Finding, Platform } from './platform.ts';

const MIB = 2 ** 20;

/**
 * No batch of a Collector exceeds a limit of its store, which would reject it, or is smaller than the largest record, which
 * the Collector would drop.
 */
export function* batches(platform: Platform): Iterable<Finding> {
  for (const { object, field, config } of collectors(platform)) {
    const request = requestLimit(config.receivers?.otlp?.protocols);
    for (const [name, { endpoint, sending_queue: queue }] of Object.entries(config.exporters ?? {})) {
      if (!queue) continue;
      const at = `${field}: exporters.${name}.sending_queue.batch`;
      const { bytes, records } = largestBatch(queue.batch, request);
      if (bytes === Number.POSITIVE_INFINITY) {
        yield {
          object,
          field: at,
          wrong: 'a batch has no limit in bytes',
          fix: 'set sizer: bytes and max_size, or sizer: items, min_size: 1 and max_size',
        };
        continue;
      }
      if (bytes < request)
        yield {
          object,
          field: at,
          wrong: `a batch is limited to ${bytes} bytes, and a record of up to ${request} bytes would be dropped`,
          fix: "raise max_size to the receivers' request limit",
        };
      const host = /^(?:https?:\/\/)?([^:/]+)/.exec(endpoint ?? '')?.[1] ?? '';
      for (const limit of storeLimits(platform, host)) {
        const need = bytes + (limit.perRecord > 0 ? records * limit.perRecord : 0);
        if (limit.bytes >= need) continue;
        yield {
          object,
          field: at,
          wrong:
            need === Number.POSITIVE_INFINITY
              ? `a batch has no limit in records, and ${host} adds up to ${limit.perRecord} bytes to each, so it may exceed ${limit.name}`
              : `a batch may need ${need} bytes, and ${limit.name} of ${host} is ${limit.bytes}`,
          fix: 'derive both from lib/telemetry.ts',
        };
      }
    }
  }
}

/** The largest batch. A limit in records limits the bytes only if requests are not merged. */
function largestBatch(batch: Batch | undefined, request: number): { readonly bytes: number; readonly records: number } {
  const none = Number.POSITIVE_INFINITY;
  if (!batch) return { bytes: request, records: none };
  const most = batch.max_size || none;
  if (batch.sizer === 'bytes') return { bytes: most, records: none };
  return (batch.min_size ?? 8192) <= 1 ? { bytes: request, records: most } : { bytes: none, records: most };
}

interface Batch {
  readonly sizer?: string;
  readonly min_size?: number;
  readonly max_size?: number;
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
  readonly sending_queue?: { readonly batch?: Batch };
}

function* collectors(platform: Platform): Iterable<{ object: Finding['object']; field: string; config: CollectorConfig }> {
  for (const object of platform.of('ConfigMap'))
    for (const [key, text] of Object.entries<string>(object.data))
      if (/^exporters:$/m.test(text)) yield { object, field: `data.${key}`, config: parse(text) };
}

/** Bytes of the largest request that the receivers accept, with the Collector's defaults. */
function requestLimit(protocols: Protocols = {}): number {
  const grpc = (protocols.grpc?.max_recv_msg_size_mib ?? 4) * MIB;
  const http = protocols.http?.max_request_body_size ?? 20 * MIB;
  return Math.max(protocols.grpc ? grpc : 0, protocols.http ? http : 0);
}

interface Limit {
  readonly name: string;
  readonly bytes: number;
  /** Bytes that the store adds to each record. */
  readonly perRecord: number;
}

/** The limits of a store for one request, with its defaults. */
function storeLimits(platform: Platform, host: string): readonly Limit[] {
  const texts = Object.entries<string>(platform.find('ConfigMap', host)?.data ?? {});
  return texts.flatMap(([key, text]) => {
    const config = key.endsWith('.yaml') ? parse(text) : {};
    if (config.live_store || config.metrics_generator) {
      const { global, ingestion } = config.overrides?.defaults ?? {};
      const message = config.distributor?.receivers?.otlp?.protocols?.grpc?.max_recv_msg_size_mib || 4;
      return [
        { name: 'max_recv_msg_size_mib', bytes: message * MIB, perRecord: 0 },
        { name: 'max_bytes_per_trace', bytes: unlimited(global?.max_bytes_per_trace, 5_000_000), perRecord: 0 },
        { name: 'burst_size_bytes', bytes: ingestion?.burst_size_bytes ?? 20_000_000, perRecord: 0 },
      ];
    }
    if (config.schema_config) {
      const limits = config.limits_config ?? {};
      // Loki copies the resource attributes into each record.
      const perRecord = sizeOf(limits.max_structured_metadata_size ?? '64KB');
      return [
        { name: 'grpc_server_max_recv_msg_size', bytes: config.server?.grpc_server_max_recv_msg_size ?? 4 * MIB, perRecord },
        { name: 'ingestion_burst_size_mb', bytes: (limits.ingestion_burst_size_mb ?? 6) * MIB, perRecord },
        { name: 'max_line_size', bytes: sizeOf(limits.max_line_size ?? '256KB'), perRecord: 0 },
      ];
    }
    return [];
  });
}

/** In Tempo, 0 is no limit. */
function unlimited(value: number | undefined, otherwise: number): number {
  return value === 0 ? Number.POSITIVE_INFINITY : (value ?? otherwise);
}

/** Loki's sizes: `256KB` is 262144. */
function sizeOf(text: string | number): number {
  const [, number, unit = ''] = /^([\d.]+)\s*([KMG]?)B?$/i.exec(String(text)) ?? [];
  return Number(number) * 1024 ** (' KMG'.indexOf(unit.toUpperCase()) || 0);
}
