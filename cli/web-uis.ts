import type { Kubectl } from './kubectl.ts';

/** A web UI that a person opens in a browser. */
export interface WebUi {
  readonly name: string;
  readonly service: string;
  readonly port: number;
  /** The path of its first page. */
  readonly path: string;
  /** It makes links for others, which lead to this port of 127.0.0.1. */
  readonly shares?: boolean;
  /** Whom to log in as. @default - with a token instead of a password */
  readonly user?: string;
  readonly secret: { readonly name: string; readonly key: string };
}

/** The web UIs of the platform. */
export const webUis: readonly WebUi[] = [
  {
    name: 'grafana',
    service: 'grafana',
    port: 3000,
    path: '/',
    shares: true,
    user: 'admin',
    secret: { name: 'grafana', key: 'admin-password' },
  },
  { name: 'consul', service: 'consul', port: 8500, path: '/ui/', secret: { name: 'consul', key: 'management-token' } },
  {
    name: 'arangodb',
    service: 'arangodb',
    port: 8529,
    path: '/_db/_system/_admin/aardvark/index.html',
    user: 'root',
    secret: { name: 'arangodb', key: 'root-password' },
  },
];

/** How to log in, and the command that shows what with. */
export function login({ user, secret }: WebUi, { context, namespace }: Kubectl): string {
  const template = `'{{index .data "${secret.key}" | base64decode}}'`;
  const read = `kubectl --context ${context} -n ${namespace} get secret ${secret.name} -o go-template=${template}`;
  return `${user ? `user ${user}, password` : 'token'}: ${read}`;
}
