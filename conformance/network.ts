import { execFileSync, spawn } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { connect } from 'node:net';

/** Of the pods' addresses. */
export const NETWORK = '10.77.0';

/** Sets something up in the network of this check. */
export function ip(...args: readonly string[]): void {
  execFileSync('ip', [...args], { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** A network namespace with that address on the bridge: what holds it is the pod's pause container, and has its number. */
export function network(address: string): number {
  const own = readlinkSync('/proc/self/ns/net');
  const { pid = 0 } = spawn('unshare', ['--net', 'sleep', 'infinity'], { stdio: 'ignore' });
  const other = () => {
    try {
      return readlinkSync(`/proc/${pid}/ns/net`);
    } catch {
      return own;
    }
  };
  while (other() === own) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
  const link = `pod${address.split('.').at(-1)}`;
  ip('link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', `${pid}`);
  ip('link', 'set', link, 'master', 'pods', 'up');
  const inside = `ip address add ${address}/24 dev eth0; ip link set eth0 up; ip link set lo up; ip route add default via ${NETWORK}.1`;
  execFileSync('nsenter', [`--net=/proc/${pid}/ns/net`, 'sh', '-ec', inside]);
  return pid;
}

/** Whether a port takes a connection, in at most that many seconds. */
export function connects(host: string, port: number, seconds: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect({ host, port, timeout: seconds * 1000 });
    const end = (answer: boolean) => {
      socket.destroy();
      done(answer);
    };
    socket.on('connect', () => end(true));
    socket.on('error', () => end(false));
    socket.on('timeout', () => end(false));
  });
}
