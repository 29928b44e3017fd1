import { secretRefs } from '../lib/secret.ts';

const app = ['celery-worker', 'celery-beat'];

/** Every Secret that the platform reads: each key's format, purpose and readers. Values are never part of the program. */
export const secrets = secretRefs({
  arangodb: {
    'root-password': {
      format: 'password',
      purpose: "ArangoDB's root user; applied at every start",
      readers: ['arangodb', 'arangodb-bootstrap', ...app],
    },
    password: { format: 'password', purpose: "the app's own ArangoDB user", readers: ['arangodb-bootstrap', 'smoke', ...app] },
    'metrics-password': {
      format: 'password',
      purpose: 'the ArangoDB user that reads metrics',
      readers: ['arangodb-bootstrap', 'prometheus'],
    },
  },
  redis: {
    password: { format: 'password', purpose: 'the broker', readers: ['redis', 'celery-exporter', 'smoke', ...app] },
  },
  'redis-cache': {
    password: { format: 'password', purpose: 'the cache, if it is a separate Redis', readers: ['redis-cache', 'smoke', ...app] },
  },
  consul: {
    'gossip-key': { format: 'gossip', purpose: 'encrypts gossip between the servers', readers: ['consul'] },
    'management-token': { format: 'uuid', purpose: 'unlimited access to Consul', readers: ['consul', 'consul-acl'] },
    'agent-token': {
      format: 'uuid',
      purpose: 'registers the servers and the services that they watch',
      readers: ['consul', 'consul-acl'],
    },
    'app-token': { format: 'uuid', purpose: "access to the app's KV prefix and the catalog", readers: ['consul-acl', 'smoke', ...app] },
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
      purpose: 'encrypts credentials that Grafana stores; after a change they are unreadable',
      readers: ['grafana'],
    },
  },
  'object-storage': {
    'access-key': { format: 'given', purpose: 'access to the buckets of traces and logs', readers: ['tempo', 'loki'] },
    'secret-key': { format: 'given', purpose: 'access to the buckets of traces and logs', readers: ['tempo', 'loki'] },
  },
});
