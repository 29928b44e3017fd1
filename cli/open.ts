import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Command } from './command.ts';
import { contextOf, Kubectl } from './kubectl.ts';
import { profileOf } from './profile.ts';
import { UserError } from './user-error.ts';
import { login, webUis } from './web-uis.ts';

const names = webUis.map(({ name }) => name);

/** Forwards a web UI's port until Ctrl-C. */
export const open: Command = {
  summary: "forwards a service's web UI to this machine, until Ctrl-C",
  operand: names.join('|'),
  help: `The web UI is at 127.0.0.1 and the service's own port, so its address stays the same. Where that port is taken it is at a
free one, and links that Grafana makes for sharing do not open.

  npm run open -- grafana --profile dev`,
  options: {},
  async run(values, [name]) {
    const webUi = webUis.find((each) => each.name === name);
    if (!webUi) throw new UserError(`${name === undefined ? 'say which web UI' : `there is no web UI "${name}"`}: ${names.join(', ')}`);
    const profile = profileOf(values.profile);
    const context = await contextOf(values.context);
    const kubectl = new Kubectl(context, profile.namespace);
    const own = await isFree(webUi.port);
    const { child, address } = await kubectl.startForward(webUi.service, webUi.port, own ? webUi.port : 0);
    const ended = once(child, 'close');
    const url = `http://${address}${webUi.path}`;
    const links = webUi.shares ? `; links that ${webUi.name} makes for sharing do not open until it is free` : '';
    const lines = [url, login(webUi, kubectl), ...(own ? [] : [`port ${webUi.port} of this machine is taken${links}`]), 'Ctrl-C ends it'];
    console.log(values.json ? JSON.stringify({ url, login: login(webUi, kubectl) }) : lines.join('\n'));
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => child.kill());
    await ended;
    if (!child.killed) throw new UserError(`the connection to ${webUi.service} is gone: open it again`);
    return 0;
  },
};

function isFree(port: number): Promise<boolean> {
  return new Promise((done) => {
    const server = createServer()
      .once('error', () => done(false))
      .listen(port, '127.0.0.1', () => server.close(() => done(true)));
  });
}
