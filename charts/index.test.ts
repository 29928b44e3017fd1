import { Duration, Size } from 'cdk8s';
import { Cpu } from 'cdk8s-plus-27';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { type Build, build } from '../build.ts';
import { amountOf } from '../lib/quantity.ts';
import { type Manifest, podOf } from '../lib/render.ts';
import { Platform } from '../rules/platform.ts';
import { profiles } from '../settings/index.ts';
import { secrets } from './secrets.ts';
import type { Settings } from './settings.ts';
import { changes } from './testing.ts';

const NAME = 'app.kubernetes.io/name';
const { dev, prod } = profiles;
const built: Readonly<Record<keyof typeof profiles, Build>> = { dev: build(dev), prod: build(prod) };

const all = ({ files }: Build): readonly Manifest[] => [...files.values()].flat();
const named = (objects: readonly Manifest[], kind: string, name: string): Manifest => {
  const found = objects.find((manifest) => manifest.kind === kind && manifest.metadata.name === name);
  if (!found) throw new Error(`there is no ${kind} ${name}`);
  return found;
};

describe.each(['dev', 'prod'] as const)('%s', (profile) => {
  const { setup, platform, externalSecrets, smoke } = built[profile];
  const objects = all(built[profile]);
  const { workloads } = new Platform(objects);
  const services = workloads.filter(({ object }) => object.kind !== 'Job');

  test('every object has the recommended labels', () => {
    for (const { kind, metadata } of objects) {
      for (const label of ['name', 'instance', 'component', 'version', 'part-of', 'managed-by'])
        expect(metadata.labels?.[`app.kubernetes.io/${label}`], `${kind} ${metadata.name}`).toBeTruthy();
    }
  });

  test('no liveness probe repeats the readiness probe', () => {
    for (const { pod } of services) {
      for (const { name, readinessProbe, livenessProbe } of pod.containers) expect(livenessProbe, name).not.toEqual(readinessProbe);
    }
  });

  test('every service is scraped; the workers and beat, which have no metrics port, through celery-exporter', () => {
    const { scrape_configs } = parse(named(platform, 'ConfigMap', 'prometheus').data['prometheus.yaml']);
    const jobs = scrape_configs.map(({ job_name }: { job_name: string }) => job_name);
    expect([...jobs, 'celery-worker', 'celery-beat'].sort()).toEqual([...new Set(services.map(({ labels }) => labels[NAME]))].sort());
  });

  test('each Secret key is read by exactly the readers in the list of Secrets', () => {
    const reads = workloads.flatMap(({ pod, labels }) => {
      const mounted = (pod.volumes ?? []).flatMap(({ secret }) => secret?.items.map(({ key }) => `${secret.secretName}/${key}`) ?? []);
      const variables = pod.containers.flatMap(({ env = [] }) => env.flatMap(({ valueFrom }) => valueFrom?.secretKeyRef ?? []));
      return [...mounted, ...variables.map(({ name, key }) => `${name}/${key}`)].map((key) => `${key} by ${labels[NAME]}`);
    });
    const unused = { dev: ['redis-cache', 'object-storage'], prod: [''] }[profile];
    const listed = Object.values(secrets).flatMap(({ name, keys }) =>
      Object.entries(keys).flatMap(([key, { readers }]) =>
        unused.includes(name) ? [] : readers.map((reader) => `${name}/${key} by ${reader}`),
      ),
    );
    expect([...new Set(reads)].sort()).toEqual(listed.sort());
  });

  test.each(['celery-worker-default', 'celery-beat'])('%s has every variable of the env file', (name) => {
    const env = podOf(named(platform, 'Deployment', name))?.containers[0]?.env ?? [];
    const values = Object.fromEntries(env.map(({ name, value, valueFrom }) => [name, value ?? Object.keys(valueFrom ?? {}).join()]));
    const redis = (password: string, host: string, database: number) =>
      expect.stringMatching(new RegExp(`^redis://:\\$\\(${password}\\)@${host}:\\d+/${database}$`));
    expect(values).toMatchObject({
      ARANGO_ROOT_PASSWORD: 'secretKeyRef',
      ARANGO_PASSWORD: 'secretKeyRef',
      ARANGO_DATABASE: 'symphainy_platform',
      ARANGO_USERNAME: 'platform_user',
      REDIS_PASSWORD: 'secretKeyRef',
      REDIS_URL: redis('REDIS_PASSWORD', profile === 'prod' ? 'redis-cache' : 'redis', 2),
      CELERY_BROKER_URL: redis('CELERY_BROKER_PASSWORD', 'redis', 0),
      CELERY_RESULT_BACKEND: redis('CELERY_BROKER_PASSWORD', 'redis', 1),
      OTEL_EXPORTER_OTLP_ENDPOINT: expect.stringContaining('http://otel-collector:'),
      OTEL_SERVICE_NAME: 'symphainy-platform',
      OTEL_RESOURCE_ATTRIBUTES: expect.stringMatching(/^service.name=symphainy-platform,.*k8s.pod.name=\$\(POD_NAME\)/),
      CONSUL_HTTP_ADDR: expect.stringContaining('http://consul:'),
      CONSUL_DATACENTER: 'dc1',
      TEMPO_ENDPOINT: expect.stringContaining('http://tempo:'),
    });
    // Kubernetes expands only variables that are defined above.
    const order = env.map((variable) => variable.name);
    for (const [at, { value = '' }] of env.entries())
      for (const [, used = ''] of value.matchAll(/\$\((\w+)\)/g)) expect(order.slice(0, at)).toContain(used);
  });

  test('several pods have a disruption budget', () => {
    const budgets = objects.filter(({ kind }) => kind === 'PodDisruptionBudget');
    const budgeted = budgets.flatMap(({ spec }) => new Platform(objects).selected(spec.selector.matchLabels));
    expect(budgeted.map(({ object }) => object)).toEqual(
      expect.arrayContaining(services.flatMap(({ object, replicas }) => (replicas > 1 ? [object] : []))),
    );
  });

  test('nothing depends on the smoke test', () => {
    expect(JSON.stringify([setup, platform, externalSecrets])).not.toContain('smoke');
    for (const { kind, metadata } of smoke) if (kind === 'NetworkPolicy') expect(metadata.name).toMatch(/^smoke(-to-|$)/);
  });

  test('an uninstall keeps the objects that hold data: only setup/ has them', () => {
    expect(
      [...platform, ...externalSecrets, ...smoke].filter(({ kind }) => /^(Namespace|PersistentVolumeClaim|PriorityClass)$/.test(kind)),
    ).toEqual([]);
  });
});

const store = { from: 'store', store: { kind: 'SecretStore', name: 'vault' }, prefix: 'team/' } as const;
const bucket = {
  name: 'blocks',
  region: 'here',
  endpoint: { host: 'minio.example', port: 9000, cidr: '10.0.0.0/8' },
  insecure: true,
  pathStyle: true,
};
const images = { ...dev.images, arangodb: 'docker.io/library/arangodb:3.12.9' };
const { debug: _, ...quiet } = dev.otelCollector;
const [pool] = dev.celeryWorker.pools;

/** Every setting that no profile has, or has otherwise. */
const variants: readonly (readonly [string, 'dev' | 'prod', Partial<Settings>])[] = [
  ['another namespace', 'dev', { shared: { ...dev.shared, namespace: 'elsewhere' } }],
  ['a StorageClass', 'dev', { shared: { ...dev.shared, storageClass: 'fast' } }],
  ['a mirror', 'dev', { mirror: 'registry.example/hub' }],
  ['Secrets from a store', 'dev', { externalSecrets: store }],
  ['Secrets from a generator', 'dev', { externalSecrets: { from: 'generator' } }],
  ['ArangoDB 3.12', 'dev', { images }],
  ['a licensed ArangoDB 3.12', 'dev', { images, arangodb: { ...dev.arangodb, licensed: true } }],
  ['an upgrade of ArangoDB', 'dev', { images, arangodb: { ...dev.arangodb, upgrade: true } }],
  ['a cache', 'dev', { cache: { maxmemory: Size.mebibytes(64), cpu: Cpu.millis(50) } }],
  ['five Consul servers in another datacenter', 'prod', { consul: { ...prod.consul, servers: 5, datacenter: 'dc2' } }],
  ['buckets', 'dev', { tempo: { ...dev.tempo, bucket }, loki: { ...dev.loki, bucket } }],
  ['a Collector that logs nothing', 'dev', { otelCollector: quiet }],
  ['longer tasks', 'dev', { app: { ...dev.app, longestTask: Duration.minutes(45), visibilityTimeout: Duration.hours(3) } }],
  ['an autoscaled pool', 'dev', { celeryWorker: { pools: [{ ...pool, maxReplicas: 2 }] } }],
];

test.each(variants)('%s', (_, profile, settings) => {
  const { findings, files } = build({ ...profiles[profile], ...settings });
  expect(findings).toEqual([]);
  expect(changes(all(built[profile]), [...files.values()].flat())).toMatchSnapshot();
});

test('generated Secrets have exactly the keys of the list, for the Secrets that the profile reads', () => {
  const { externalSecrets } = build({ ...dev, externalSecrets: { from: 'generator' } });
  const made = externalSecrets.filter(({ kind }) => kind === 'ExternalSecret');
  const { arangodb, redis, consul, grafana } = secrets;
  expect(Object.fromEntries(made.map(({ metadata, spec }) => [metadata.name, Object.keys(spec.target.template.data).sort()]))).toEqual(
    Object.fromEntries([arangodb, redis, consul, grafana].map(({ name, keys }) => [name, Object.keys(keys).sort()])),
  );
});

test('dev fits a node of 2 CPUs and 6 GiB: it requests 1.2 cores and 4 GiB at most', () => {
  const { platform } = built.dev;
  const total = (resource: string) =>
    new Platform(platform).workloads
      .flatMap(({ pod }) => pod.containers)
      .reduce((sum, { resources }) => sum + amountOf(resources.requests[resource]), 0);
  expect(total('cpu')).toBeLessThanOrEqual(1.2);
  expect(total('memory')).toBeLessThanOrEqual(4 * 2 ** 30);
});

test('the histograms of durations end at the longest task: a longer one would look as long as the last bucket', () => {
  const { platform } = build({ ...dev, app: { ...dev.app, longestTask: Duration.minutes(45) } });
  const tempo = parse(named(platform, 'ConfigMap', 'tempo').data['tempo.yaml']);
  for (const processor of ['span_metrics', 'service_graphs'])
    expect(tempo.metrics_generator.processor[processor].histogram_buckets.at(-1)).toBe(2700);
  const env = podOf(named(platform, 'Deployment', 'celery-exporter'))?.containers[0]?.env;
  expect(env?.find(({ name }) => name === 'CE_BUCKETS')?.value).toMatch(/,2700$/);
});

test('a changed setting changes the pods that read it and no others', () => {
  const templates = ({ platform }: Build) =>
    new Map(new Platform(platform).workloads.map(({ object }) => [object.metadata.name, JSON.stringify(object.spec.template)]));
  const before = templates(built.dev);
  const changed = (settings: Partial<Settings>) => {
    const after = templates(build({ ...dev, ...settings }));
    return [...before.keys()].filter((name) => before.get(name) !== after.get(name));
  };
  expect(changed({})).toEqual([]);
  expect(changed({ tempo: { ...dev.tempo, maxSeries: 1 } })).toEqual(['tempo']);
  expect(changed({ images: { ...dev.images, loki: `${dev.images.loki}-rebuilt` } })).toEqual(['loki']);
});

test('the number of servers decides about quorum', () => {
  const jobs = ([1, 3, 5] as const).map((servers) => {
    const { platform } = build({ ...dev, consul: { ...dev.consul, servers } });
    expect(named(platform, 'StatefulSet', 'consul').spec.replicas).toBe(servers);
    expect(JSON.parse(named(platform, 'ConfigMap', 'consul').data['consul.json'])).toMatchObject({ bootstrap_expect: servers });
    expect(JSON.parse(named(platform, 'ConfigMap', 'consul-acl').data['autopilot.json'])).toMatchObject({ MinQuorum: (servers + 1) / 2 });
    return platform.find(({ kind, metadata }) => kind === 'Job' && metadata.name.startsWith('consul-acl-'))?.metadata.name;
  });
  // A Job with another name runs again.
  expect(new Set(jobs).size).toBe(3);
});
