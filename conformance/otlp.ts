import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { connect, createServer as createGrpcServer } from 'node:http2';
import type { Server, Socket } from 'node:net';
import { gunzipSync } from 'node:zlib';
import type { Pod } from './pod.ts';
import { framed, resourcesOf, type Signal } from './protobuf.ts';
import type { Sandbox } from './sandbox.ts';

/** The service that takes each signal from senders, and where the collector is to hand it to. */
const signals = {
  traces: {
    rpc: '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
    store: { host: 'tempo', port: 4317, path: '/opentelemetry.proto.collector.trace.v1.TraceService/Export' },
  },
  logs: {
    rpc: '/opentelemetry.proto.collector.logs.v1.LogsService/Export',
    store: { host: 'loki', port: 3100, path: '/otlp/v1/logs' },
  },
  metrics: {
    rpc: '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export',
    store: { host: 'prometheus', port: 9090, path: '/api/v1/otlp/v1/metrics' },
  },
} as const;

/** Every signal. */
export const all = ['traces', 'logs', 'metrics'] as const;

/** Sends as an SDK does over HTTP: the status. */
export async function overHttp(pod: Pod, signal: Signal, body: Buffer<ArrayBuffer>): Promise<number> {
  const headers = { 'content-type': 'application/x-protobuf' };
  const answer = await fetch(`${pod.url('otlp-http')}/v1/${signal}`, { method: 'POST', headers, body });
  await answer.arrayBuffer();
  return answer.status;
}

/** Sends as an SDK does over gRPC: the status. */
export function overGrpc(pod: Pod, signal: Signal, body: Buffer): Promise<number> {
  const session = connect(pod.url('otlp-grpc'));
  const call = session.request({ ':method': 'POST', ':path': signals[signal].rpc, 'content-type': 'application/grpc', te: 'trailers' });
  return new Promise((done, fail) => {
    for (const source of [session, call]) source.on('error', fail);
    for (const event of ['response', 'trailers']) {
      call.on(event, (headers) => 'grpc-status' in headers && done(Number(headers['grpc-status'])));
    }
    call.on('close', () => session.close());
    call.resume().end(framed(body));
  });
}

/** Answers for a store, and remembers what it is sent: `PATH RESOURCE`. */
export class Store {
  readonly received: string[] = [];
  /** Whether it takes nothing, for good. */
  refuses = false;
  private server?: Server;
  private readonly sockets = new Set<Socket>();
  private readonly address: string;

  constructor(
    sandbox: Sandbox,
    private readonly signal: Signal,
  ) {
    this.address = sandbox.address(signals[signal].store.host);
  }

  /** Answers from now on. */
  async start(): Promise<void> {
    const grpc = this.signal === 'traces';
    const answer: RequestListener = async (request, response) => {
      const body = Buffer.concat(await request.toArray());
      const message = grpc ? body.subarray(5) : body;
      const compressed = grpc ? body[0] === 1 : request.headers['content-encoding'] === 'gzip';
      const resources = resourcesOf(compressed ? gunzipSync(message) : message);
      if (!this.refuses) this.received.push(...resources.map((each) => `${request.url} ${each}`));
      if (!grpc) return response.writeHead(this.refuses ? 400 : 200, { 'content-type': 'application/x-protobuf' }).end();
      response.setHeader('content-type', 'application/grpc');
      response.addTrailers({ 'grpc-status': this.refuses ? '3' : '0' });
      return response.end(framed(Buffer.of()));
    };
    this.server = grpc ? createGrpcServer(answer as never) : createServer(answer);
    this.server.on('connection', (socket) => this.sockets.add(socket));
    await once(this.server.listen(signals[this.signal].store.port, this.address), 'listening');
  }

  stop(): void {
    this.server?.close();
    for (const socket of this.sockets) socket.destroy();
    this.sockets.clear();
  }

  /** Whether what that sender sent is here, with all that tells who that is. */
  has(sender: string): boolean {
    return this.received.includes(`${signals[this.signal].store.path} service.name=${sender},k8s.pod.name=pod-of-${sender}`);
  }
}
