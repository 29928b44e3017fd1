const rule = (policy: 'read' | 'write') => ({ policy });

/** What each token may do, in Consul's own words. The Job `consul-acl` brings them in; `anonymous` is who brings none. */
const policies = {
  /** The servers: register themselves and the services they watch. */
  agent: { node_prefix: { '': rule('write') }, service_prefix: { '': rule('write') } },
  /** The app: its own keys, locks on them, and everybody's addresses. */
  app: {
    key_prefix: { 'app/': rule('write') },
    session_prefix: { '': rule('write') },
    node_prefix: { '': rule('read') },
    service_prefix: { '': rule('read'), 'app-': rule('write') },
  },
  /** Prometheus. */
  metrics: { agent_prefix: { '': rule('read') } },
  /** DNS, which knows no tokens, answers NXDOMAIN without these two. */
  anonymous: { node_prefix: { '': rule('read') }, service_prefix: { '': rule('read') } },
} as const;

/** The policies as Consul's API takes them, by file name. */
export function policyFiles(): Record<string, string> {
  const files = Object.entries(policies).map(([name, rules]) => {
    const body = { Name: name, Description: 'kept by the platform', Rules: JSON.stringify(rules) };
    return [`${name}.json`, `${JSON.stringify(body)}\n`];
  });
  return Object.fromEntries(files);
}
