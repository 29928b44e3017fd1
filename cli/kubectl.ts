import { execa, type ResultPromise } from 'execa';
import type { Manifest } from '../lib/render.ts';
import { TIMEOUTS } from './timeouts.ts';
import { UserError } from './user-error.ts';

/** One call of kubectl. */
interface Call {
  /** Standard input: manifests and secrets go here, because every user of the machine can read arguments. */
  readonly stdin?: string;
  /** Time limit in seconds. @default TIMEOUTS.read */
  readonly seconds?: number;
  /** Copies the API server's warnings to standard error. */
  readonly warn?: boolean;
}

/** The API server rejected a request. */
export class ApiError extends UserError {
  constructor(
    message: string,
    /** The reason in the server's Status, such as `Conflict`. */
    readonly reason: string,
  ) {
    super(message);
  }
}

/** A kubectl that runs until it is killed, and the local address that it listens on. */
export interface Listener {
  readonly process: ResultPromise;
  /** `127.0.0.1:PORT` */
  readonly address: string;
}

/** The user's own kubectl, with the user's own credentials. */
export class Kubectl {
  constructor(
    /** A context of the kubeconfig. */
    readonly context: string,
    readonly namespace: string,
  ) {}

  /** Returns standard output. Throws a UserError when kubectl fails. */
  async run(args: readonly string[], call?: Call): Promise<string> {
    return kubectl(`kubectl ${args[0]} failed`, [...this.access, ...args], call, this.context);
  }

  /** Returns the objects that kubectl prints. */
  async objects(args: readonly string[], call?: Call): Promise<readonly Manifest[]> {
    const text = await this.run([...args, '--output=json'], call);
    if (text.trim() === '') return [];
    const result = JSON.parse(text);
    return result.kind === 'List' ? result.items : [result];
  }

  /** Forwards a free local port to a port of a Service, or of a `TYPE/NAME`, until `use` has finished. The port is a number or its name. */
  async forward<Result>(target: string, port: number | string, use: (address: string) => Promise<Result>): Promise<Result> {
    const { process, address } = await this.startForward(target, port);
    try {
      return await use(address);
    } finally {
      process.kill();
    }
  }

  /** Starts a port-forward that the caller kills. @param local the local port; any free one by default */
  startForward(target: string, port: number | string, local?: number): Promise<Listener> {
    const resource = target.includes('/') ? target : `service/${target}`;
    return this.listen(['port-forward', resource, `${local ?? ''}:${port}`], `cannot forward port ${port} of ${target}`);
  }

  /** Starts a kubectl that listens on 127.0.0.1 and that the caller kills. Rejects with `failure` when it ends before it listens. */
  listen(args: readonly string[], failure: string): Promise<Listener> {
    const child = execa('kubectl', [...this.access, ...args], { stdin: 'ignore', reject: false });
    return new Promise((resolve, reject) => {
      child.stdout.on('data', (text: Buffer) => {
        const address = /(?:Forwarding from|Starting to serve on) (127\.0\.0\.1:\d+)/.exec(text.toString())?.[1];
        if (address) resolve({ process: child, address });
      });
      child.then((result) => reject(errorOf(result, failure, this.context)));
    });
  }

  private get access(): readonly string[] {
    return ['--context', this.context, '--namespace', this.namespace];
  }
}

/** The contexts of the kubeconfig. Throws a UserError when kubectl is missing. */
export async function contexts(): Promise<readonly string[]> {
  return (await kubectl(UNREADABLE, ['config', 'get-contexts', '--output=name'])).split('\n').filter(Boolean);
}

/** The context to use: the named one, or else the kubeconfig's current one. */
export async function contextOf(named: string | undefined): Promise<string> {
  const all = await contexts();
  if (all.length === 0)
    throw new UserError(
      'the kubeconfig has no context: set KUBECONFIG to the right file, or create a cluster, for example with npm run up -- --profile dev --create',
    );
  if (named !== undefined) {
    if (all.includes(named)) return named;
    throw new UserError(`the kubeconfig has no context "${named}": choose one of ${all.join(', ')}`);
  }
  const current = await kubectl(UNREADABLE, ['config', 'current-context']).catch(() => '');
  if (current) return current;
  throw new UserError(`no context is selected: give --context NAME, one of ${all.join(', ')}`);
}

const UNREADABLE = 'cannot read the kubeconfig';

/** Runs kubectl to its end. `failure` begins the message of the error. */
async function kubectl(
  failure: string,
  args: readonly string[],
  { stdin = '', seconds = TIMEOUTS.read, warn = false }: Call = {},
  context = '',
): Promise<string> {
  // Without cleanup: execa's signal handlers would end this process before those of `smoke` have removed its pods.
  const result = await execa('kubectl', args, { input: stdin, timeout: seconds * 1000, reject: false, cleanup: false });
  for (const line of result.stderr.split('\n')) if (warn && line.startsWith('Warning:')) console.error(line);
  if (!result.failed) return result.stdout;
  if (result.timedOut)
    throw new UserError(`the cluster of context "${context}" did not respond within ${seconds} s: try again, or check it with kubectl`);
  throw errorOf(result, failure, context);
}

function errorOf({ code, stderr }: { readonly code?: string; readonly stderr: string }, failure: string, context: string): UserError {
  if (code === 'ENOENT') return new UserError('kubectl is not on PATH: install it, see https://kubernetes.io/docs/tasks/tools/');
  const message = explain(stderr, failure, context);
  const reason = /^Error from server \((\w+)\)/m.exec(stderr)?.[1];
  return reason ? new ApiError(message, reason) : new UserError(message);
}

/** The sentence for an error message of kubectl. */
export function explain(stderr: string, failure: string, context = ''): string {
  // kubectl's own log lines (`E1124 …`) repeat the error message.
  const lines = stderr.split('\n').filter((each) => each.trim() && !/^[EIW]\d{4} /.test(each));
  const line = lines.find((each) => /error|Error|Unable|forbidden|refused/.test(each)) ?? lines.at(-1) ?? '';
  const reason = line.replace(/^(error: |Error from server( \(\w+\))?: )+/, '').trim();
  if (/connection refused|Unable to connect|no such host|i\/o timeout|was refused|no route to host|deadline exceeded/.test(stderr)) {
    return `the cluster of context "${context}" does not respond (${reason}): check that it is running and that this is the right context`;
  }
  if (/[Uu]nauthorized|must be logged in|provide credentials/.test(stderr)) {
    return `the cluster of context "${context}" rejected your credentials (${reason}): log in again, or choose another --context`;
  }
  const conflicts = [...stderr.matchAll(/conflict with "([^"]+)".*?:((?:\n- \S+)+| \.\S+)/g)].map(
    ([, manager, fields = '']) => `${fields.replaceAll('\n-', '').trim()} (${manager})`,
  );
  if (conflicts.length > 0)
    return `another field manager has set these fields: ${conflicts.join(', ')}. Undo the change there, or overwrite it with --force`;
  if (/is forbidden: User/.test(stderr)) return `you lack a permission in context "${context}": ${reason}`;
  return `${failure}: ${reason || 'kubectl printed no reason'}`;
}
