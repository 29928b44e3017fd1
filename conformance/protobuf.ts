import { randomBytes } from 'node:crypto';

/** What OTLP carries. */
export type Signal = 'traces' | 'logs' | 'metrics';

const now = () => BigInt(Date.now()) * 1_000_000n;
const things: Readonly<Record<Signal, (text: string) => readonly Buffer[]>> = {
  traces: (name) => [part(1, Buffer.alloc(16, 1)), part(2, Buffer.alloc(8, 2)), part(5, name), fixed(7, now()), fixed(8, now())],
  logs: (body) => [fixed(1, now()), part(5, part(1, body))],
  metrics: (name) => [part(1, name), part(5, part(1, fixed(3, now()), double(4, 1)))],
};

/** An export of one thing by that sender. Spans, log records and metrics lie equally deep in theirs. */
export function exported(signal: Signal, sender: string, text = 'something'): Buffer<ArrayBuffer> {
  const attribute = (key: string, value: string) => part(1, part(1, key), part(2, part(1, value)));
  const resource = part(1, attribute('service.name', sender), attribute('k8s.pod.name', `pod-of-${sender}`));
  return part(1, resource, part(2, part(2, ...things[signal](text))));
}

/** An export of many records by that sender, each of about so many bytes; spans are of different traces, points of different series. */
export function exportedMany(
  signal: Signal,
  sender: string,
  records: number,
  bytes: number,
  { time = now(), attributes = {} }: { readonly time?: bigint; readonly attributes?: Labels } = {},
): Buffer<ArrayBuffer> {
  const attribute = (field: number, key: string, value: string) => part(field, part(1, key), part(2, part(1, value)));
  const text = 'x'.repeat(bytes);
  const record: Readonly<Record<Signal, (index: number) => readonly Buffer[]>> = {
    traces: () => [
      part(1, randomBytes(16)),
      part(2, randomBytes(8)),
      part(5, 'work'),
      fixed(7, time),
      fixed(8, time),
      attribute(9, 'text', text),
    ],
    logs: () => [fixed(1, time), part(5, part(1, text))],
    metrics: (index) => {
      const labels = [attribute(7, 'record', `${sender}-${index}`), attribute(7, 'text', text)];
      return [part(1, 'backlog'), part(5, part(1, fixed(3, time), double(4, 1), ...labels))];
    },
  };
  const scope = Array.from({ length: records }, (_, index) => part(2, ...record[signal](index)));
  const resource = Object.entries({ 'service.name': sender, ...attributes }).map(([key, value]) => attribute(1, key, value));
  return part(1, part(1, ...resource), part(2, ...scope));
}

/** The resources of an export that carry something, as `service.name=NAME,k8s.pod.name=POD`. */
export function resourcesOf(exported: Buffer): readonly string[] {
  const one = (message: Buffer | undefined, field: number) => message && partsOf(message, field)[0];
  const attribute = (pair: Buffer) => `${one(pair, 1)}=${one(one(pair, 2), 1)}`;
  const full = partsOf(exported, 1).filter((each) => partsOf(each, 2).some((scope) => partsOf(scope, 2).length > 0));
  return full.flatMap((each) => partsOf(each, 1)).map((resource) => partsOf(resource, 1).map(attribute).join());
}

/** A remote write of one sample with its exemplar. */
export function remoteWrite(labels: Labels, value: number, time: number, exemplar: Labels): Buffer<ArrayBuffer> {
  const all = (pairs: Labels) => Object.entries(pairs).map(([name, text]) => part(1, part(1, name), part(2, text)));
  const example = part(3, ...all(exemplar), double(2, value), integer(3, time));
  return snappy(part(1, ...all(labels), part(2, double(1, value), integer(2, time)), example));
}

type Labels = Readonly<Record<string, string>>;

/** As gRPC carries a message: whether it is compressed, its length, itself. */
export function framed(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** A field that holds a whole number. */
export function integer(field: number, value: number | bigint): Buffer {
  return Buffer.concat([varint(field << 3), varint(value)]);
}

/** A field of 64 bits: OTLP's times. */
export function fixed(field: number, value: bigint): Buffer {
  const bits = Buffer.alloc(8);
  bits.writeBigUInt64LE(value);
  return Buffer.concat([varint((field << 3) | 1), bits]);
}

/** A field that holds a floating-point number. */
export function double(field: number, value: number): Buffer {
  const bits = Buffer.alloc(8);
  bits.writeDoubleLE(value);
  return Buffer.concat([varint((field << 3) | 1), bits]);
}

/** A field that holds a text, bytes or a message, which is its fields one after another. */
export function part(field: number, ...content: readonly (string | Buffer)[]): Buffer<ArrayBuffer> {
  const bytes = Buffer.concat(content.map((each) => Buffer.from(each as string)));
  return Buffer.concat([varint((field << 3) | 2), varint(bytes.length), bytes]);
}

/** What the message's fields of that number hold. Only of those that `part` writes. */
export function partsOf(message: Buffer, field: number): readonly Buffer[] {
  const found: Buffer[] = [];
  let at = 0;
  const number = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = message.readUInt8(at++);
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  const lengthOf = (kind: number) => {
    if (kind === 0) return number() * 0;
    if (kind === 2) return number();
    if (kind === 1 || kind === 5) return kind === 1 ? 8 : 4;
    throw new Error(`a field of kind ${kind} is not known here`);
  };
  while (at < message.length) {
    const tag = number();
    const length = lengthOf(tag & 7);
    if (tag === ((field << 3) | 2)) found.push(message.subarray(at, at + length));
    at += length;
  }
  return found;
}

/** As remote write carries a message: as snappy has it, in one literal that is not compressed at all. */
export function snappy(bytes: Buffer): Buffer<ArrayBuffer> {
  const literal = Buffer.from([63 << 2, 0, 0, 0, 0]);
  literal.writeUInt32LE(bytes.length - 1, 1);
  return Buffer.concat([varint(bytes.length), literal, bytes]);
}

/** Seven bits at a time, the lowest first. */
function varint(value: number | bigint): Buffer {
  const bytes: number[] = [];
  let rest = BigInt(value);
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Buffer.from([...bytes, Number(rest)]);
}
