const rule = (policy: 'read' | 'write') => ({ policy });

/** The ACL policies of the tokens, which the Job `consul-acl` creates. `anonymous` applies to requests without a token. */
const policies = {
  /** The servers register themselves and the services. */
  agent: { node_prefix: { '': rule('write') }, service_prefix: { '': rule('write') } },
  /** The app uses its own keys and locks, and reads all addresses. */
  app: {
    key_prefix: { 'app/': rule('write') },
    session_prefix: { '': rule('write') },
    node_prefix: { '': rule('read') },
    service_prefix: { '': rule('read'), 'app-': rule('write') },
  },
  /** Prometheus reads the metrics. */
  metrics: { agent_prefix: { '': rule('read') } },
  /** DNS requests have no token; without these rules the answer is NXDOMAIN. */
  anonymous: { node_prefix: { '': rule('read') }, service_prefix: { '': rule('read') } },
} as const;

/** The policies in the format of Consul's API, by file name. */
export function policyFiles(): Record<string, string> {
  const files = Object.entries(policies).map(([name, rules]) => {
    const body = { Name: name, Description: 'Managed by the platform', Rules: JSON.stringify(rules) };
    return [`${name}.json`, `${JSON.stringify(body)}\n`];
  });
  return Object.fromEntries(files);
}
