import { EventEmitter, once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import { open } from './open.ts';
import { profileOf } from './profile.ts';
import { webUis } from './web-uis.ts';

vi.mock('./kubectl.ts', () => ({
  contextOf: async () => 'test',
  Kubectl: class {
    async startForward(_: string, __: number, local: number) {
      const child = Object.assign(new EventEmitter(), { killed: true });
      setImmediate(() => child.emit('close'));
      return { child, address: `127.0.0.1:${local || 'free'}` };
    }
  },
}));

const printed = vi.spyOn(console, 'log').mockImplementation(() => {});
afterEach(() => printed.mockClear());

/** What is said of a web UI whose port is that one. */
async function opened(name: string, port: number): Promise<string> {
  const webUi = webUis.find((each) => each.name === name) as { port: number };
  const before = webUi.port;
  webUi.port = port;
  await open.run({ profile: 'dev' }, [name]).finally(() => {
    webUi.port = before;
  });
  return printed.mock.lastCall?.[0];
}

test('a web UI keeps its address; where its port is taken it says so, and that its links do not open', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  expect(await opened('grafana', port)).toMatch(
    new RegExp(`^http://127.0.0.1:free/\n.*\nport ${port} of this machine is taken; links that grafana makes for sharing do not open`),
  );
  expect(await opened('consul', port)).toContain(`port ${port} of this machine is taken\nCtrl-C`);
  other.close();
  await once(other, 'close');
  expect(await opened('grafana', port)).toMatch(new RegExp(`^http://127.0.0.1:${port}/\n.*\nCtrl-C ends it$`));
});

test('every web UI is at a port of its Service', () => {
  const services = profileOf('dev').objects.filter(({ kind }) => kind === 'Service');
  for (const { service, port } of webUis) {
    const ports = services.find(({ metadata }) => metadata.name === service)?.spec.ports.map((each: { port: number }) => each.port);
    expect(ports, service).toContain(port);
  }
});
