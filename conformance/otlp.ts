import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { connect, createServer as createGrpcServer } from 'node:http2';
import type { Server, Socket } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { grpcFrame, type Signal, sendersOf, signals } from './otlp-messages.ts';
import type { Pod } from './pod.ts';
import { eventually } from './process.ts';
import type { Sandbox } from './sandbox.ts';

const rpcOf = (service: string) => `/opentelemetry.proto.collector.${service}/Export`;

/** The gRPC method that receives each signal, and the Service, port and path to which the collector exports it. */
const routes = {
  traces: { rpc: rpcOf('trace.v1.TraceService'), service: 'tempo', port: 'otlp-grpc', path: rpcOf('trace.v1.TraceService') },
  logs: { rpc: rpcOf('logs.v1.LogsService'), service: 'loki', port: 'loki', path: '/otlp/v1/logs' },
  metrics: { rpc: rpcOf('metrics.v1.MetricsService'), service: 'prometheus', port: 'prometheus', path: '/api/v1/otlp/v1/metrics' },
} as const satisfies Readonly<Record<Signal, object>>;

/** Sends an export request over HTTP and returns the status. */
export async function sendHttp(pod: Pod, signal: Signal, body: Buffer<ArrayBuffer>): Promise<number> {
  const headers = { 'content-type': 'application/x-protobuf' };
  const response = await pod.fetch('otlp-http', `/v1/${signal}`, { method: 'POST', headers, body });
  await response.arrayBuffer();
  return response.status;
}

/** Sends an export request over gRPC and returns the status. */
export function sendGrpc(pod: Pod, signal: Signal, body: Buffer): Promise<number> {
  const session = connect(`http://${pod.address}:${pod.portNumber('otlp-grpc')}`);
  const call = session.request({ ':method': 'POST', ':path': routes[signal].rpc, 'content-type': 'application/grpc', te: 'trailers' });
  return new Promise((done, fail) => {
    for (const source of [session, call]) source.on('error', fail);
    for (const event of ['response', 'trailers']) {
      call.on(event, (headers) => 'grpc-status' in headers && done(Number(headers['grpc-status'])));
    }
    call.on('close', () => session.close());
    call.resume().end(grpcFrame(body));
  });
}

/** A server in place of Tempo, Loki or Prometheus that records the exports of the collector as `PATH SENDER`. */
export class FakeStore {
  readonly received: string[] = [];
  /** Whether every export is rejected with an error that is not retried. */
  rejects = false;
  private server?: Server;
  private readonly sockets = new Set<Socket>();
  private readonly address: { readonly host: string; readonly port: number };

  constructor(
    sandbox: Sandbox,
    private readonly signal: Signal,
  ) {
    this.address = sandbox.listenFor(routes[signal].service, routes[signal].port);
  }

  async start(): Promise<void> {
    const grpc = this.signal === 'traces';
    const handle: RequestListener = async (request, response) => {
      const body = Buffer.concat(await request.toArray());
      const message = grpc ? body.subarray(5) : body;
      const compressed = grpc ? body[0] === 1 : request.headers['content-encoding'] === 'gzip';
      const senders = sendersOf(this.signal, compressed ? gunzipSync(message) : message);
      if (!this.rejects) this.received.push(...senders.map((sender) => `${request.url} ${sender}`));
      if (!grpc) return response.writeHead(this.rejects ? 400 : 200, { 'content-type': 'application/x-protobuf' }).end();
      response.setHeader('content-type', 'application/grpc');
      response.addTrailers({ 'grpc-status': this.rejects ? '3' : '0' });
      return response.end(grpcFrame(Buffer.of()));
    };
    this.server = grpc ? createGrpcServer(handle as never) : createServer(handle);
    this.server.on('connection', (socket) => this.sockets.add(socket));
    await once(this.server.listen(this.address), 'listening');
  }

  stop(): void {
    this.server?.close();
    for (const socket of this.sockets) socket.destroy();
    this.sockets.clear();
  }

  /** Whether an export of the sender was received, with the sender's attributes. */
  has(sender: string): boolean {
    return this.received.includes(`${routes[this.signal].path} service.name=${sender},k8s.pod.name=pod-of-${sender}`);
  }
}

/** The three stores behind the collector. */
export class FakeStores {
  private readonly stores: Readonly<Record<Signal, FakeStore>>;

  constructor(sandbox: Sandbox) {
    const store = (signal: Signal) => new FakeStore(sandbox, signal);
    this.stores = { traces: store('traces'), logs: store('logs'), metrics: store('metrics') };
  }

  of(signal: Signal): FakeStore {
    return this.stores[signal];
  }

  async start(): Promise<void> {
    for (const signal of signals) await this.stores[signal].start();
  }

  stop(): void {
    for (const signal of signals) this.stores[signal].stop();
  }

  /** Waits until every store has received the sender's export. */
  async waitFor(sender: string, seconds: number): Promise<void> {
    for (const signal of signals) await eventually(() => this.stores[signal].has(sender), seconds, `${signal} of ${sender} arrive`);
  }
}
