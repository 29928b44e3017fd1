import { Duration, Size } from 'cdk8s';
import { Cpu } from 'cdk8s-plus-27';
import type { Settings } from '../charts/settings.ts';
import release from '../package.json' with { type: 'json' };
import { images } from './images.ts';

const { mebibytes, gibibytes } = Size;
const { millis, units } = Cpu;

const resources = (cpu: Cpu, memory: Size) => ({ cpu, memory });

/** The settings that all profiles share. Each profile sets the others, or does not compile. */
const base = {
  shared: {
    disableResourceNameHashes: true,
    labels: {
      'app.kubernetes.io/part-of': 'platform',
      'app.kubernetes.io/managed-by': 'cdk8s',
      // The version of objects that run no image.
      'app.kubernetes.io/version': release.version,
    },
  },
  images,
  arangodb: { database: 'symphainy_platform', username: 'platform_user' },
  consul: { datacenter: 'dc1' },
  app: { name: 'symphainy-platform', version: '1.0.0' },
  celeryBeat: { disk: gibibytes(1), resources: resources(millis(20), mebibytes(160)) },
};

/** Fits a node of 2 CPUs and 6 GiB: single replicas and small disks. */
const dev: Settings = {
  ...base,
  // kind and similar clusters load images into the node; no registry has them.
  shared: { ...base.shared, namespace: 'platform-dev', imagePullPolicy: 'IfNotPresent' },
  setup: { quota: { cpu: units(2), memory: gibibytes(5), disk: gibibytes(32) } },
  arangodb: { ...base.arangodb, disk: gibibytes(4), resources: resources(millis(150), gibibytes(1)) },
  redis: { maxmemory: mebibytes(96), cpu: millis(50), disk: gibibytes(1) },
  consul: { ...base.consul, servers: 1, disk: gibibytes(1), resources: resources(millis(50), mebibytes(192)) },
  tempo: { retention: Duration.days(2), maxSeries: 10_000, disk: gibibytes(4), resources: resources(millis(100), mebibytes(448)) },
  loki: { retention: Duration.days(2), disk: gibibytes(4), resources: resources(millis(75), mebibytes(320)) },
  prometheus: { retention: Duration.days(7), disk: gibibytes(4), resources: resources(millis(75), mebibytes(288)) },
  otelCollector: { replicas: 1, debug: 'basic', queue: gibibytes(1), resources: resources(millis(50), mebibytes(256)) },
  app: { ...base.app, longestTask: Duration.minutes(2) },
  celeryWorker: {
    pools: [
      { name: 'default', queues: ['celery', 'slow'], replicas: 1, concurrency: 2, resources: resources(millis(150), mebibytes(384)) },
    ],
  },
  celeryExporter: { resources: resources(millis(20), mebibytes(192)) },
  grafana: { disk: gibibytes(1), resources: resources(millis(75), mebibytes(384)) },
};

/** Object storage of traces and logs: change this first. */
const store = { region: 'eu-central-1', endpoint: { host: 's3.eu-central-1.amazonaws.com', port: 443 } };

/** Production: replicas where the program supports them, and object storage. */
const prod: Settings = {
  ...base,
  shared: { ...base.shared, namespace: 'platform', imagePullPolicy: 'Always' },
  externalSecrets: { from: 'store', store: { kind: 'ClusterSecretStore', name: 'platform' }, prefix: 'platform/' },
  setup: { quota: { cpu: units(16), memory: gibibytes(48), disk: gibibytes(400) } },
  arangodb: { ...base.arangodb, disk: gibibytes(100), resources: resources(units(2), gibibytes(8)) },
  redis: { maxmemory: gibibytes(2), cpu: millis(500), disk: gibibytes(16) },
  cache: { maxmemory: gibibytes(2), cpu: millis(250) },
  consul: { ...base.consul, servers: 3, disk: gibibytes(8), resources: resources(millis(250), mebibytes(512)) },
  tempo: {
    retention: Duration.days(14),
    maxSeries: 100_000,
    bucket: { ...store, name: 'platform-traces' },
    disk: gibibytes(32),
    resources: resources(millis(500), gibibytes(2)),
  },
  loki: {
    retention: Duration.days(30),
    bucket: { ...store, name: 'platform-logs' },
    disk: gibibytes(32),
    resources: resources(millis(500), gibibytes(2)),
  },
  prometheus: { retention: Duration.days(30), disk: gibibytes(100), resources: resources(millis(500), gibibytes(4)) },
  otelCollector: { replicas: 2, queue: gibibytes(8), resources: resources(millis(250), mebibytes(512)) },
  app: { ...base.app, longestTask: Duration.minutes(10) },
  celeryWorker: {
    pools: [
      { name: 'default', queues: ['celery'], replicas: 2, maxReplicas: 6, concurrency: 4, resources: resources(millis(500), gibibytes(1)) },
      { name: 'slow', queues: ['slow'], replicas: 2, maxReplicas: 4, concurrency: 2, resources: resources(millis(250), mebibytes(512)) },
    ],
  },
  celeryExporter: { resources: resources(millis(20), mebibytes(384)) },
  grafana: { disk: gibibytes(8), resources: resources(millis(250), mebibytes(768)) },
};

/** The profiles that `synth` writes, by the name of their folder in dist/. */
export const profiles = { dev, prod } as const satisfies Readonly<Record<string, Settings>>;

/** Looks up a profile by name. Throws an error that lists the known ones. */
export function profileNamed(name: string): Settings {
  const found = Object.entries<Settings>(profiles).find(([each]) => each === name)?.[1];
  if (!found)
    throw new Error(`there is no profile "${name}": use ${Object.keys(profiles).join(' or ')}, or add yours to settings/index.ts`);
  return found;
}
