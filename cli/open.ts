import { createServer } from 'node:net';
import { Argument } from '@commander-js/extra-typings';
import { command } from './command.ts';
import { contextOf, Kubectl } from './kubectl.ts';
import { type Profile, profileOf } from './profile.ts';
import { UserError } from './user-error.ts';
import { login, type WebUi, webUis } from './web-uis.ts';

const names = webUis.map(({ name }) => name);

/** Forwards a web UI's port until Ctrl-C. */
export const open = command(
  'open',
  "forward a service's web UI to this machine, until Ctrl-C",
  `The web UI uses the service's own port on 127.0.0.1, so its address never
changes. If that port is taken, it uses a free one, and links that Grafana
creates for sharing do not work.

  npm run open -- grafana --profile dev`,
)
  .addArgument(new Argument(`<${names.join('|')}>`, 'web UI to open').choices(names))
  .action(async (name, options) => {
    const profile = profileOf(options.profile);
    const kubectl = new Kubectl(await contextOf(options.context), profile.namespace);
    await openWebUi(kubectl, profile, webUis.find((each) => each.name === name) as WebUi, options.json);
  });

/** Forwards the port of a web UI and prints its address, until a signal ends the port-forward. */
export async function openWebUi(kubectl: Kubectl, profile: Pick<Profile, 'objects'>, webUi: WebUi, json = false): Promise<void> {
  const { name, path, hasLinks } = webUi;
  const port = portOf(profile, name);
  const isPortFree = await isFree(port);
  const { process: forward, address } = await kubectl.startForward(name, port, isPortFree ? port : undefined);
  let interrupted = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => {
      interrupted = true;
      forward.kill();
    });
  const url = `http://${address}${path}`;
  const taken = `port ${port} of this machine is taken${hasLinks ? `: links that ${name} creates for sharing do not work until it is free` : ''}`;
  const lines = [url, login(webUi, kubectl), ...(isPortFree ? [] : [taken]), 'press Ctrl-C to stop'];
  console.log(json ? JSON.stringify({ url, login: login(webUi, kubectl) }) : lines.join('\n'));
  await forward;
  if (!interrupted) throw new UserError(`the connection to ${name} is lost: run the command again`);
}

/** The port of a Service that has the Service's own name. */
export function portOf({ objects }: Pick<Profile, 'objects'>, service: string): number {
  const found = objects.find(({ kind, metadata }) => kind === 'Service' && metadata.name === service);
  return found?.spec.ports.find((each: { readonly name: string }) => each.name === service).port;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
      .once('error', () => resolve(false))
      .listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
