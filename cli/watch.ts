import { setTimeout as pause } from 'node:timers/promises';
import type { Manifest } from '../lib/render.ts';
import type { RESOURCES } from './cluster.ts';
import type { Kubectl } from './kubectl.ts';
import { UserError } from './user-error.ts';

/**
 * Runs `use` with a function that returns the namespace's current objects of these resources, by their API.
 * One `kubectl proxy` carries a watch for each resource, because `kubectl get --watch` takes only one resource.
 */
export async function watch<Result>(
  kubectl: Kubectl,
  resources: Partial<typeof RESOURCES>,
  use: (objects: () => readonly Manifest[]) => Promise<Result>,
): Promise<Result> {
  const paths = Object.entries(resources).map(([resource, api]) => `/${api}/namespaces/${kubectl.namespace}/${resource}`);
  // Every program on this machine can reach the proxy, so it only reads these paths.
  const limits = [`--accept-paths=^(${paths.join('|')})$`, '--reject-methods=^(POST|PUT|PATCH|DELETE)$'];
  const { process: proxy, address } = await kubectl.listen(['proxy', '--port=0', ...limits], 'cannot watch the cluster');
  const end = new AbortController();
  const mirrors = paths.map((path) => new Mirror(`http://${address}${path}`, end.signal));
  const fail = (error: Error): never => {
    throw new UserError(`cannot watch the cluster of context "${kubectl.context}": ${error.message}`);
  };
  try {
    await Promise.all(mirrors.map((mirror) => mirror.list())).catch(fail);
    const following = mirrors.map((mirror) => mirror.follow().catch(fail));
    return await Promise.race([use(() => mirrors.flatMap(({ objects }) => [...objects.values()])), ...following]);
  } finally {
    end.abort();
    proxy.kill();
  }
}

/** A local copy of the objects of one resource. */
class Mirror {
  readonly objects = new Map<string, Manifest>();
  private version = '';

  constructor(
    private readonly url: string,
    private readonly signal: AbortSignal,
  ) {}

  async list(): Promise<void> {
    const response = await fetch(this.url, { signal: this.signal });
    const body = await response.text();
    // The API server rejects with a Status; kubectl reports a lost connection as plain text.
    if (!response.ok) throw new Error(body.startsWith('{') ? JSON.parse(body).message : body.trim());
    const { kind, items, metadata } = JSON.parse(body);
    this.version = metadata.resourceVersion;
    this.objects.clear();
    // The items of a list have no kind of their own.
    for (const item of items) this.objects.set(item.metadata.uid, { ...item, kind: kind.replace(/List$/, '') });
  }

  /** Applies all changes. The server ends a watch after some time, or when its version is too old: then it lists the objects again. */
  async follow(): Promise<never> {
    for (;;) {
      await this.read().catch(() => undefined);
      await pause(1000, undefined, { signal: this.signal });
      await this.list();
    }
  }

  /** Applies the changes of one watch, which sends one JSON object on each line, until it ends. */
  private async read(): Promise<void> {
    const { body } = await fetch(`${this.url}?watch=true&resourceVersion=${this.version}`, { signal: this.signal });
    let rest = '';
    for await (const text of body?.pipeThrough(new TextDecoderStream()) ?? []) {
      const lines = `${rest}${text}`.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const { type, object } = JSON.parse(line);
        if (type === 'ERROR') return;
        if (type === 'DELETED') this.objects.delete(object.metadata.uid);
        else this.objects.set(object.metadata.uid, object);
      }
    }
  }
}
