import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Manifest } from '../../lib/render.ts';
import { Kubectl } from '../kubectl.ts';
import { type Profile, profileOf } from '../profile.ts';
import { UserError } from '../user-error.ts';
import { base64 } from './ensure.ts';

/** What the tests of this folder share. */
export const dev: Profile = profileOf('dev');
export const prod: Profile = profileOf('prod');

/** A cluster of Secrets, which writes down what it is asked, and sees to it that no value is among the arguments. */
export class FakeCluster extends Kubectl {
  /** `replace redis`, `rollout restart statefulset/redis`, `PATCH /_api/user/root`: in the order in which they came. */
  readonly calls: string[] = [];
  /** Values by key, by Secret. */
  readonly secrets: Record<string, Record<string, string>>;
  /** Of the workloads, `deployment/celery-beat`: those that are there. */
  readonly workloads: string[] = [];
  /** Addresses by Service. */
  readonly services: Record<string, string> = {};
  /** Makes a call fail. */
  refuse: (call: string) => string | undefined = () => undefined;
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
    const refused = this.refuse(call);
    if (refused !== undefined) throw new UserError(refused);
    return JSON.stringify({ kind: 'List', items: this.answer(words, given) });
  }

  private answer([verb, what, ...names]: readonly string[], given: readonly Manifest[]): readonly object[] {
    if (verb === 'get' && what === 'secret') return names.flatMap((name) => (this.secrets[name] ? [this.secret(name)] : []));
    if (verb === 'get') {
      return this.workloads
        .filter((each) => each === what || names.includes(each))
        .map((each) => ({ kind: each.split('/')[0], metadata: { name: each.split('/')[1] } }));
    }
    if (verb === 'create') {
      for (const { metadata, stringData } of given) {
        if (this.secrets[metadata.name]) throw new UserError(`kubectl create failed: secrets "${metadata.name}" already exists`);
        this.secrets[metadata.name] = stringData;
      }
    }
    if (verb === 'replace') {
      return given.map(({ metadata, data }) => {
        const { name, resourceVersion } = metadata as Manifest['metadata'] & { resourceVersion: number };
        if (resourceVersion !== this.version(name)) {
          throw new UserError(
            `Operation cannot be fulfilled on secrets "${name}": the object has been modified; please apply your changes`,
          );
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

  /** Somebody else changes a Secret. */
  touch(name: string): void {
    this.versions.set(name, this.version(name) + 1);
  }

  override async forward<Result>(service: string, _port: number, use: (address: string) => Promise<Result>): Promise<Result> {
    const address = this.services[service];
    if (address === undefined) throw new UserError(`no port of ${service} can be forwarded: services "${service}" not found`);
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

/** What came with a request. */
export interface Asked {
  readonly request: string;
  readonly login: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test knows what it sends
  readonly body: any;
}

/** Has a Service answered by a function; undefined breaks the connection off. Returns what ends it. */
export async function serve(
  cluster: FakeCluster,
  service: string,
  answer: (asked: Asked) => { readonly status: number; readonly body?: object } | undefined,
): Promise<() => void> {
  const server = createServer(async (request: IncomingMessage, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    const login = Buffer.from(`${request.headers.authorization ?? ''}`.replace('Basic ', ''), 'base64').toString();
    const asked = {
      request: `${request.method} ${request.url}`,
      login: login || `${request.headers['x-consul-token']}`,
      body: text && JSON.parse(text),
    };
    cluster.calls.push(asked.request);
    const answered = answer(asked);
    if (answered === undefined) request.socket.destroy();
    else response.writeHead(answered.status).end(JSON.stringify(answered.body ?? {}));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  cluster.services[service] = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return () => {
    server.closeAllConnections();
    server.close();
  };
}
