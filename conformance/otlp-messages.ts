import { randomBytes } from 'node:crypto';
import protobuf from 'protobufjs';

/** The kinds of data that OTLP carries. */
export const signals = ['traces', 'logs', 'metrics'] as const;
export type Signal = (typeof signals)[number];

type Labels = Readonly<Record<string, string>>;

const request = (signal: Signal, record: string) => `
  message ${signal} { repeated ${signal}Resource resources = 1; }
  message ${signal}Resource { Resource resource = 1; repeated ${signal}Scope scopes = 2; }
  message ${signal}Scope { repeated ${record} records = 2; }`;

// The fields of OTLP and of Prometheus remote write that the checks use, with their official numbers.
const { root } = protobuf.parse(`syntax = "proto3";
  message Value { string text = 1; }
  message Attribute { string key = 1; Value value = 2; }
  message Resource { repeated Attribute attributes = 1; }
  message Span { bytes traceId = 1; bytes spanId = 2; string name = 5; fixed64 start = 7; fixed64 end = 8; repeated Attribute attributes = 9; }
  message LogRecord { fixed64 time = 1; Value body = 5; }
  message Metric { string name = 1; Gauge gauge = 5; }
  message Gauge { repeated Point points = 1; }
  message Point { fixed64 time = 3; double value = 4; repeated Attribute attributes = 7; }
  ${request('traces', 'Span')} ${request('logs', 'LogRecord')} ${request('metrics', 'Metric')}
  message WriteRequest { repeated Series series = 1; }
  message Series { repeated Label labels = 1; repeated Sample samples = 2; repeated Exemplar exemplars = 3; }
  message Label { string name = 1; string value = 2; }
  message Sample { double value = 1; int64 timestamp = 2; }
  message Exemplar { repeated Label labels = 1; double value = 2; int64 timestamp = 3; }`);

const encode = (type: string, message: object) => Buffer.from(root.lookupType(type).encode(message).finish());
const attributesOf = (labels: Labels) => Object.entries(labels).map(([key, text]) => ({ key, value: { text } }));
const labelsOf = (labels: Labels) => Object.entries(labels).map(([name, value]) => ({ name, value }));

/** The records of an export request. */
interface Records {
  readonly records?: number;
  /** The length of each record's text. */
  readonly bytes?: number;
  /** In milliseconds. */
  readonly time?: number;
  /** Attributes of the sender. */
  readonly attributes?: Labels;
}

/** An export request of one sender. Each span is a trace of its own, each metric point a series of its own. */
export function exportRequest(
  signal: Signal,
  sender: string,
  { records = 1, bytes = 10, time = Date.now(), attributes = {} }: Records = {},
): Buffer<ArrayBuffer> {
  const [text, at] = ['x'.repeat(bytes), time * 1e6];
  const record: Readonly<Record<Signal, (index: number) => object>> = {
    traces: () => ({
      traceId: randomBytes(16),
      spanId: randomBytes(8),
      name: 'work',
      start: at,
      end: at,
      attributes: attributesOf({ text }),
    }),
    logs: () => ({ time: at, body: { text } }),
    metrics: (index) => ({
      name: 'backlog',
      gauge: { points: [{ time: at, value: 1, attributes: attributesOf({ record: `${sender}-${index}`, text }) }] },
    }),
  };
  const resource = { attributes: attributesOf({ 'service.name': sender, 'k8s.pod.name': `pod-of-${sender}`, ...attributes }) };
  return encode(signal, {
    resources: [{ resource, scopes: [{ records: Array.from({ length: records }, (_, index) => record[signal](index)) }] }],
  });
}

/** The senders of the records in an export request, as `service.name=NAME,k8s.pod.name=POD`. */
export function sendersOf(signal: Signal, message: Buffer): readonly string[] {
  interface Request {
    readonly resources: readonly {
      readonly resource: { readonly attributes: readonly { readonly key: string; readonly value: { readonly text: string } }[] };
      readonly scopes: readonly { readonly records: readonly object[] }[];
    }[];
  }
  const { resources } = root.lookupType(signal).decode(message) as unknown as Request;
  return resources
    .filter(({ scopes }) => scopes.some(({ records }) => records.length > 0))
    .map(({ resource }) => resource.attributes.map(({ key, value }) => `${key}=${value.text}`).join());
}

/** A remote write of one sample with an exemplar; `timestamp` is in milliseconds. */
export function remoteWrite(labels: Labels, value: number, timestamp: number, exemplar: Labels): Buffer<ArrayBuffer> {
  const exemplars = [{ labels: labelsOf(exemplar), value, timestamp }];
  return snappy(encode('WriteRequest', { series: [{ labels: labelsOf(labels), samples: [{ value, timestamp }], exemplars }] }));
}

/** A gRPC frame: a flag for compression, the length, the message. */
export function grpcFrame(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** Snappy's block format with one uncompressed literal. */
function snappy(bytes: Buffer): Buffer<ArrayBuffer> {
  const literal = Buffer.from([63 << 2, 0, 0, 0, 0]);
  literal.writeUInt32LE(bytes.length - 1, 1);
  return Buffer.concat([protobuf.Writer.create().uint32(bytes.length).finish(), literal, bytes]);
}
