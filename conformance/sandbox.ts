import { join } from 'node:path';
import { Bubblewrap } from './bubblewrap.ts';
import { Logs } from './logs.ts';
import { fileOf, type Manifests, servicePort, workload } from './manifests.ts';
import { Network } from './network.ts';
import { Pod } from './pod.ts';
import type { Programs } from './programs.ts';
import { SecretValues } from './secret-values.ts';

/**
 * Runs pods for one check, in namespaces that end with it.
 * A pod has its address, volumes, environment, command and a read-only root.
 * It lacks the image's own files, the user id, limits of memory and CPU, and network policies.
 */
export class Sandbox {
  readonly secrets = new SecretValues();
  readonly logs = new Logs(this.secrets);
  readonly network: Network;
  readonly containers: Bubblewrap;
  readonly namespace: string;

  constructor(
    /** The objects of one profile in dist/. */
    readonly manifests: Manifests,
    readonly programs: Programs,
    /** An empty folder, removed by the caller. */
    readonly folder: string,
  ) {
    this.namespace = manifests.find(({ kind }) => kind === 'Service')?.metadata.namespace ?? 'default';
    this.network = new Network(join(folder, 'hosts'), this.namespace);
    this.containers = new Bubblewrap(programs, folder);
  }

  /** A pod of the workload, with its address and volumes; no container runs yet. */
  pod(workloadName: string, ordinal = 0): Pod {
    return new Pod(this, workload(this.manifests, workloadName), ordinal);
  }

  /** Where a server of the check listens to receive the requests to a Service. */
  listenFor(service: string, port: string): { readonly host: string; readonly port: number } {
    return { host: this.network.addHost(service), port: servicePort(this.manifests, service, port) };
  }

  /** A file of a ConfigMap. */
  file(configMap: string, file: string): string {
    return fileOf(this.manifests, configMap, file);
  }
}
