import { secretRefs } from '../lib/secret.ts';

const app = ['celery-worker', 'celery-beat'];

/** Every Secret that the platform reads: its keys, what each opens, how it is made and who reads it. Values are nowhere. */
export const secrets = secretRefs({
  arangodb: {
    'root-password': {
      format: 'password',
      purpose: "ArangoDB's root; applied at every start",
      readers: ['arangodb', 'arangodb-bootstrap', ...app],
    },
    password: { format: 'password', purpose: "the app's own ArangoDB user", readers: ['arangodb-bootstrap', 'smoke', ...app] },
    'metrics-password': {
      format: 'password',
      purpose: 'the ArangoDB user that may read metrics only',
      readers: ['arangodb-bootstrap', 'prometheus'],
    },
  },
  redis: {
    password: { format: 'password', purpose: 'the broker', readers: ['redis', 'celery-exporter', 'smoke', ...app] },
  },
  'redis-cache': {
    password: { format: 'password', purpose: 'the cache, where it is a Redis of its own', readers: ['redis-cache', 'smoke', ...app] },
  },
  consul: {
    'gossip-key': { format: 'gossip', purpose: 'encrypts what the servers tell each other', readers: ['consul'] },
    'management-token': { format: 'uuid', purpose: 'may do everything in Consul', readers: ['consul', 'consul-acl'] },
    'agent-token': {
      format: 'uuid',
      purpose: 'lets the servers register themselves and the services they watch',
      readers: ['consul', 'consul-acl'],
    },
    'app-token': { format: 'uuid', purpose: "the app's own KV prefix and the catalog", readers: ['consul-acl', 'smoke', ...app] },
    'metrics-token': { format: 'uuid', purpose: "reads the servers' metrics", readers: ['consul-acl', 'prometheus'] },
  },
  grafana: {
    'admin-password': {
      format: 'password',
      purpose: "Grafana's admin; applied when its database is first created",
      readers: ['grafana', 'smoke'],
    },
    'secret-key': {
      format: 'key',
      purpose: 'signs what Grafana stores; changing it makes stored credentials unreadable',
      readers: ['grafana'],
    },
  },
  'object-storage': {
    'access-key': { format: 'given', purpose: 'the buckets of traces and logs', readers: ['tempo', 'loki'] },
    'secret-key': { format: 'given', purpose: 'the buckets of traces and logs', readers: ['tempo', 'loki'] },
  },
});
