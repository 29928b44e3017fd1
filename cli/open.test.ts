import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import type { Manifest } from '../lib/render.ts';
import { Kubectl, type Listener } from './kubectl.ts';
import { openWebUi, portOf } from './open.ts';
import { profileOf } from './profile.ts';
import { type WebUi, webUis } from './web-uis.ts';

/** A kubectl whose port-forward ends at once, as after Ctrl-C. */
class FakeKubectl extends Kubectl {
  override async startForward(_: string, __: number, local?: number): Promise<Listener> {
    const process = Object.assign(Promise.resolve({}), { kill: () => true });
    return { process: process as unknown as Listener['process'], address: `127.0.0.1:${local ?? 'free'}` };
  }
}

const printed = vi.spyOn(console, 'log').mockImplementation(() => {});
afterEach(() => printed.mockClear());

/** The output of opening a web UI whose Service has this port. The lost connection is its error. */
async function open(name: string, port: number): Promise<string> {
  const service = { kind: 'Service', metadata: { name }, spec: { ports: [{ name, port }] } } as unknown as Manifest;
  const opened = openWebUi(new FakeKubectl('test', 'ns'), { objects: [service] }, webUis.find((each) => each.name === name) as WebUi);
  await expect(opened).rejects.toThrow(`the connection to ${name} is lost: run the command again`);
  return printed.mock.lastCall?.[0];
}

test('a web UI keeps its port; where that is taken, the output says so, and that shared links do not work', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  expect(await open('grafana', port)).toMatch(
    new RegExp(`^http://127.0.0.1:free/\n.*\nport ${port} of this machine is taken: links that grafana creates for sharing do not work`),
  );
  expect(await open('consul', port)).toContain(`port ${port} of this machine is taken\npress Ctrl-C`);
  other.close();
  await once(other, 'close');
  expect(await open('grafana', port)).toMatch(
    new RegExp(`^http://127.0.0.1:${port}/\nuser admin, password: kubectl .*\npress Ctrl-C to stop$`),
  );
});

test('every web UI has a Service with a port of its name', () => {
  for (const { name } of webUis) expect(portOf(profileOf('dev'), name), name).toBeGreaterThan(0);
});
