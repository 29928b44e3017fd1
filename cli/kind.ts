import { execa } from 'execa';
import { UserError } from './user-error.ts';

/** Builds the reference app's image and loads it into the nodes of a kind cluster. Throws a UserError when a tool is missing or fails. */
export async function loadIntoKind(image: string, context: string, log: (text: string) => void): Promise<void> {
  const short = image.replace('docker.io/', '');
  log(`building ${short} from app/`);
  await tool('docker', ['build', '--quiet', '--tag', short, 'app']);
  log(`loading ${short} into the nodes of ${context}`);
  await tool('kind', ['load', 'docker-image', short, '--name', context.replace(/^kind-/, '')]);
}

/** Creates a kind cluster. Throws a UserError when kind is missing or fails. */
export async function createKind(name: string): Promise<void> {
  await tool('kind', ['create', 'cluster', '--name', name, '--wait', '120s']);
}

async function tool(file: string, args: readonly string[]): Promise<void> {
  const { failed, code, stderr } = await execa(file, args, { reject: false, stdin: 'ignore' });
  if (code === 'ENOENT')
    throw new UserError(`${file} is not on PATH: install it, or create the cluster and load the image yourself and run up again`);
  if (failed) throw new UserError(`${file} ${args[0]} failed: ${stderr.trim().split('\n').at(-1) || 'it printed no reason'}`);
}
