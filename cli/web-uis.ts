import type { Kubectl } from './kubectl.ts';

/** A web UI that a person opens in a browser. */
export interface WebUi {
  /** The name of its Service, and of the Service's port. */
  readonly name: string;
  /** The path of its start page. */
  readonly path: string;
  /** Links that it creates for sharing lead to its own port on 127.0.0.1. */
  readonly hasLinks?: boolean;
  /** The user to log in as. @default - the login takes a token and no user */
  readonly user?: string;
  readonly secret: { readonly name: string; readonly key: string };
}

/** The web UIs of the platform. */
export const webUis: readonly WebUi[] = [
  { name: 'grafana', path: '/', hasLinks: true, user: 'admin', secret: { name: 'grafana', key: 'admin-password' } },
  { name: 'consul', path: '/ui/', secret: { name: 'consul', key: 'management-token' } },
  {
    name: 'arangodb',
    path: '/_db/_system/_admin/aardvark/index.html',
    user: 'root',
    secret: { name: 'arangodb', key: 'root-password' },
  },
];

/** The user, and the command that prints the password or token. */
export function login({ user, secret }: WebUi, { context, namespace }: Kubectl): string {
  const template = `'{{index .data "${secret.key}" | base64decode}}'`;
  const command = `kubectl --context ${context} -n ${namespace} get secret ${secret.name} -o go-template=${template}`;
  return `${user ? `user ${user}, password` : 'token'}: ${command}`;
}
