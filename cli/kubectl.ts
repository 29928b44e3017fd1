import { type ChildProcess, spawn } from 'node:child_process';
import type { Manifest } from '../lib/render.ts';
import { UserError } from './user-error.ts';

/** One call of kubectl. */
interface Call {
  /** Goes to its standard input: what must not stand among its arguments. */
  readonly stdin?: string;
  /** Seconds to wait for its end. @default 30 */
  readonly seconds?: number;
  /** Passes the server's warnings on to standard error. */
  readonly warn?: boolean;
}

/** The user's own kubectl, with the user's own access. */
export class Kubectl {
  constructor(
    /** Of the kubeconfig. */
    readonly context: string,
    readonly namespace: string,
  ) {}

  /** What it printed. Throws a UserError when it fails. */
  async run(args: readonly string[], call: Call = {}): Promise<string> {
    const access = ['--context', this.context, '--namespace', this.namespace];
    return kubectl(`kubectl ${args[0]} failed`, [...access, ...args], call, this.context);
  }

  /** The objects that it answers with. */
  async objects(args: readonly string[], call?: Call): Promise<readonly Manifest[]> {
    const text = await this.run([...args, '--output=json'], call);
    if (text.trim() === '') return [];
    const answer = JSON.parse(text);
    return answer.kind === 'List' ? answer.items : [answer];
  }

  /**
   * Forwards a free local port to a port of a Service, or of a `TYPE/NAME`, for as long as `use` takes.
   * It is `127.0.0.1:PORT`; nothing else of this machine's network sees it.
   */
  async forward<Result>(target: string, port: number, use: (address: string) => Promise<Result>): Promise<Result> {
    const { child, address } = await this.startForward(target, port, 0);
    try {
      return await use(address);
    } finally {
      child.kill();
    }
  }

  /** Starts a port-forward to a Service, or to a `TYPE/NAME`, that its caller ends. A local port of 0 means any free one. */
  startForward(target: string, port: number, local: number): Promise<{ readonly child: ChildProcess; readonly address: string }> {
    const resource = target.includes('/') ? target : `service/${target}`;
    const args = ['--context', this.context, '--namespace', this.namespace, 'port-forward', resource, `${local || ''}:${port}`];
    const child = spawn('kubectl', args, { stdio: ['ignore', 'pipe', 'pipe'] });
    return new Promise((done, fail) => {
      let said = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        const address = /Forwarding from (127\.0\.0\.1:\d+)/.exec(text)?.[1];
        if (address) done({ child, address });
      });
      child.on('error', () => fail(new UserError(NO_KUBECTL)));
      child.on('close', () => fail(new UserError(explain(said, `no port of ${target} can be forwarded`, this.context))));
    });
  }
}

/** The contexts of the kubeconfig. Throws a UserError where there is no kubectl. */
export async function contexts(): Promise<readonly string[]> {
  return (await kubectl('the kubeconfig cannot be read', ['config', 'get-contexts', '--output=name'])).split('\n').filter(Boolean);
}

/** The context that a command works with: the one that is named, or the kubeconfig's current one. */
export async function contextOf(named: string | undefined): Promise<string> {
  const all = await contexts();
  if (named !== undefined) {
    if (all.includes(named)) return named;
    throw new UserError(`the kubeconfig has no context "${named}": it has ${all.join(', ') || 'none'}`);
  }
  const current = all.length > 0 ? await kubectl('the kubeconfig cannot be read', ['config', 'current-context']).catch(() => '') : '';
  if (current.trim()) return current.trim();
  throw new UserError(
    all.length > 0
      ? `no context is chosen: give --context NAME, of ${all.join(', ')}`
      : 'there is no cluster in the kubeconfig: set KUBECONFIG to its file, or make a cluster, for example with npm run up -- --profile dev --create',
  );
}

const NO_KUBECTL = 'kubectl is not on PATH: install it, see https://kubernetes.io/docs/tasks/tools/';

/** The sentence for what kubectl complained about. */
export function explain(said: string, what: string, context = ''): string {
  // kubectl's own log lines (`E1124 …`) say the same with more noise.
  const lines = said.split('\n').filter((each) => each.trim() && !/^[EIW]\d{4} /.test(each));
  const line = lines.find((each) => /error|Error|Unable|forbidden|refused/.test(each)) ?? lines.at(-1) ?? '';
  const reason = line.replace(/^(error: |Error from server( \(\w+\))?: )+/, '').trim();
  if (/connection refused|Unable to connect|no such host|i\/o timeout|was refused|no route to host|deadline exceeded/.test(said)) {
    return `the cluster of context "${context}" does not answer (${reason}): is it running, and is this the right one?`;
  }
  if (/[Uu]nauthorized|must be logged in|provide credentials/.test(said)) {
    return `the cluster of context "${context}" does not know you (${reason}): log in again, or choose another --context`;
  }
  const conflicts = [...said.matchAll(/conflict with "([^"]+)".*?:((?:\n- \S+)+| \.\S+)/g)].map(
    ([, who, fields = '']) => `${fields.replaceAll('\n-', '').trim()} (${who})`,
  );
  if (conflicts.length > 0)
    return `somebody else has set what this sets too: ${conflicts.join(', ')}. Give it up there, or take it back with --force`;
  if (/forbidden: User|is forbidden: User/.test(said)) return `you may not do this in context "${context}": ${reason}`;
  return `${what}: ${reason || 'kubectl says nothing more'}`;
}

/** `what` says that it failed; why, it says itself. */
function kubectl(
  what: string,
  args: readonly string[],
  { stdin, seconds = 30, warn = false }: Call = {},
  context?: string,
): Promise<string> {
  return new Promise((done, fail) => {
    const child = spawn('kubectl', [...args], { stdio: 'pipe', timeout: seconds * 1000 });
    let said = '';
    let complained = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complained += text;
    });
    child.on('error', () => fail(new UserError(NO_KUBECTL)));
    child.on('close', (status, signal) => {
      for (const line of complained.split('\n')) if (warn && line.startsWith('Warning:')) console.error(line);
      if (status === 0) done(said);
      else if (signal)
        fail(
          new UserError(`the cluster of context "${context}" did not answer within ${seconds} s: try again, or look at it with kubectl`),
        );
      else fail(new UserError(explain(complained, what, context)));
    });
    child.stdin.on('error', () => {});
    child.stdin.end(stdin);
  });
}
