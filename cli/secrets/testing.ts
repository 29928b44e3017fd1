import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Manifest } from '../../lib/render.ts';
import { ApiError, Kubectl } from '../kubectl.ts';
import { type Profile, profileOf } from '../profile.ts';
import { UserError } from '../user-error.ts';
import { base64 } from './ensure.ts';

export const dev: Profile = profileOf('dev');
export const prod: Profile = profileOf('prod');

/** A cluster of Secrets that records its calls, and fails when a secret value is among the arguments. */
export class FakeCluster extends Kubectl {
  /** `replace redis`, `rollout restart statefulset/redis`, `PATCH /_api/user/root`, in order. */
  readonly calls: string[] = [];
  /** Values by key, by Secret. */
  readonly secrets: Record<string, Record<string, string>>;
  /** The existing workloads, such as `deployment/celery-beat`. */
  readonly workloads: string[] = [];
  /** The addresses of Services, by name. */
  readonly services: Record<string, string> = {};
  /** Makes a call fail with the returned error. */
  failure: (call: string) => Error | undefined = () => undefined;
  private readonly versions = new Map<string, number>();
  private readonly values = new Set<string>();

  constructor(secrets: Record<string, Record<string, string>> = {}, namespace = 'platform-dev') {
    super('test', namespace);
    this.secrets = secrets;
  }

  override async run(args: readonly string[], { stdin }: { readonly stdin?: string } = {}): Promise<string> {
    const given: Manifest[] = stdin === undefined ? [] : (JSON.parse(stdin).items ?? [JSON.parse(stdin)]);
    for (const { data = {}, stringData = {} } of given) {
      for (const value of Object.values<string>(data)) this.values.add(value).add(Buffer.from(value, 'base64').toString());
      for (const value of Object.values<string>(stringData)) this.values.add(value).add(base64(value));
    }
    for (const keys of Object.values(this.secrets)) for (const value of Object.values(keys)) this.values.add(value).add(base64(value));
    for (const arg of args)
      for (const value of this.values) if (arg.includes(value)) throw new Error(`a secret among the arguments of ${args[0]}`);

    const words = args.filter((arg) => !arg.startsWith('-'));
    const call = [...words, ...given.map(({ metadata }) => metadata.name)].join(' ');
    if (words[0] !== 'get') this.calls.push(call);
    const error = this.failure(call);
    if (error !== undefined) throw error;
    return JSON.stringify({ kind: 'List', items: this.respond(words, given) });
  }

  private respond([verb, what, ...names]: readonly string[], given: readonly Manifest[]): readonly object[] {
    if (verb === 'get' && what === 'secret') return names.flatMap((name) => (this.secrets[name] ? [this.secret(name)] : []));
    if (verb === 'get') {
      return this.workloads
        .filter((each) => each === what || names.includes(each))
        .map((each) => ({ kind: each.split('/')[0], metadata: { name: each.split('/')[1] } }));
    }
    if (verb === 'create') {
      for (const { metadata, stringData } of given) {
        if (this.secrets[metadata.name])
          throw new ApiError(`kubectl create failed: secrets "${metadata.name}" already exists`, 'AlreadyExists');
        this.secrets[metadata.name] = stringData;
      }
    }
    if (verb === 'replace') {
      return given.map(({ metadata, data }) => {
        const { name, resourceVersion } = metadata as Manifest['metadata'] & { resourceVersion: number };
        if (resourceVersion !== this.version(name)) {
          throw new ApiError(`Operation cannot be fulfilled on secrets "${name}": the object has been modified`, 'Conflict');
        }
        this.secrets[name] = Object.fromEntries(
          Object.entries<string>(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]),
        );
        this.touch(name);
        return this.secret(name);
      });
    }
    return verb === 'apply' ? given : [];
  }

  /** Changes the version of a Secret, as another client's write does. */
  touch(name: string): void {
    this.versions.set(name, this.version(name) + 1);
  }

  override async forward<Result>(service: string, _port: number | string, use: (address: string) => Promise<Result>): Promise<Result> {
    const address = this.services[service];
    if (address === undefined) throw new UserError(`cannot forward port ${service} of ${service}: services "${service}" not found`);
    return use(address);
  }

  private version(name: string): number {
    return this.versions.get(name) ?? 1;
  }

  private secret(name: string): object {
    const data = Object.entries(this.secrets[name] ?? {}).map(([key, value]) => [key, base64(value)]);
    return { kind: 'Secret', metadata: { name, resourceVersion: this.version(name) }, data: Object.fromEntries(data) };
  }
}

/** A request to a fake service. */
export interface FakeRequest {
  readonly request: string;
  readonly login: string;
  readonly body: Readonly<Record<string, string>>;
}

/** Serves a Service by a function; undefined closes the connection. Returns a function that stops the server. */
export async function serve(
  cluster: FakeCluster,
  service: string,
  respond: (request: FakeRequest) => { readonly status: number; readonly body?: object } | undefined,
): Promise<() => void> {
  const server = createServer(async (request: IncomingMessage, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    const login = Buffer.from(`${request.headers.authorization ?? ''}`.replace('Basic ', ''), 'base64').toString();
    const received = {
      request: `${request.method} ${request.url}`,
      login: login || `${request.headers['x-consul-token']}`,
      body: text ? JSON.parse(text) : {},
    };
    cluster.calls.push(received.request);
    const result = respond(received);
    if (result === undefined) request.socket.destroy();
    else response.writeHead(result.status).end(JSON.stringify(result.body ?? {}));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cluster.services[service] = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return () => {
    server.closeAllConnections();
    server.close();
  };
}
