import { execFileSync, spawn } from 'node:child_process';
import { readlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';

const SUBNET = '10.77.0';

/** The network of one check: a bridge, an address for each pod, and the hosts file by which pods resolve names. */
export class Network {
  private readonly names = new Map<string, Set<string>>();
  private last = 1;

  constructor(
    private readonly hosts: string,
    private readonly namespace: string,
  ) {
    ip('link', 'set', 'lo', 'up');
    ip('link', 'add', 'pods', 'type', 'bridge');
    ip('address', 'add', `${SUBNET}.1/24`, 'dev', 'pods');
    ip('link', 'set', 'pods', 'up');
    writeFileSync(hosts, '');
  }

  /** Makes every pod resolve the Services' names to the address. */
  addNames(address: string, ...services: readonly string[]): void {
    for (const service of services) {
      for (const name of [service, `${service}.${this.namespace}.svc.cluster.local`]) {
        this.names.set(name, (this.names.get(name) ?? new Set()).add(address));
      }
    }
    const lines = [...this.names].flatMap(([name, addresses]) => [...addresses].map((each) => `${each} ${name}\n`));
    writeFileSync(this.hosts, `127.0.0.1 localhost\n${lines.join('')}`);
  }

  /** An address of the check itself, under the name of a Service. */
  addHost(service: string): string {
    const address = this.next();
    ip('address', 'add', `${address}/24`, 'dev', 'pods');
    this.addNames(address, service);
    return address;
  }

  /** A network namespace with an address on the bridge, and the process that holds it, like a pod's pause container. */
  addPod(): { readonly address: string; readonly pause: number } {
    const address = this.next();
    const own = readlinkSync('/proc/self/ns/net');
    const { pid = 0 } = spawn('unshare', ['--net', 'sleep', 'infinity'], { stdio: 'ignore' });
    while (namespaceOf(pid, own) === own) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
    const link = `pod${address.split('.').at(-1)}`;
    ip('link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', `${pid}`);
    ip('link', 'set', link, 'master', 'pods', 'up');
    const inside = `ip address add ${address}/24 dev eth0; ip link set eth0 up; ip link set lo up; ip route add default via ${SUBNET}.1`;
    execFileSync('nsenter', [`--net=/proc/${pid}/ns/net`, 'sh', '-ec', inside]);
    return { address, pause: pid };
  }

  private next(): string {
    this.last += 1;
    return `${SUBNET}.${this.last}`;
  }
}

function ip(...args: readonly string[]): void {
  execFileSync('ip', [...args], { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** The network namespace of a process, or `otherwise` until the process has started. */
function namespaceOf(pid: number, otherwise: string): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return otherwise;
  }
}

/** Whether a port accepts a connection within the time. */
export function connects(host: string, port: number, seconds: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect({ host, port, timeout: seconds * 1000 });
    const end = (connected: boolean) => {
      socket.destroy();
      done(connected);
    };
    socket.on('connect', () => end(true));
    socket.on('error', () => end(false));
    socket.on('timeout', () => end(false));
  });
}
