import { Duration } from 'cdk8s';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { build as built } from '../build.ts';
import { type ContainerManifest, type Manifest, podOf } from '../lib/render.ts';
import { matches } from '../rules/platform.ts';
import { images } from '../settings/images.ts';
import { profiles } from '../settings/index.ts';
import { secrets } from './secrets.ts';
import type { Settings } from './settings.ts';

function build(settings: Settings): Manifest[] {
  return [...built(settings).files.values()].flat();
}

const workloads = (all: readonly Manifest[]) =>
  all.flatMap((manifest) => {
    const pod = podOf(manifest);
    return pod ? [{ manifest, pod }] : [];
  });
const containers = (all: readonly Manifest[]): ContainerManifest[] => workloads(all).flatMap(({ pod }) => pod.containers);
const named = (all: readonly Manifest[], kind: string, name: string): Manifest => {
  const found = all.find((manifest) => manifest.kind === kind && manifest.metadata.name === name);
  if (!found) throw new Error(`there is no ${kind} ${name}`);
  return found;
};
/** Requests are written in m and Mi, whole cores and Gi. */
const amount = (text: string): number => Number.parseFloat(text) * (text.endsWith('m') ? 0.001 : text.endsWith('Gi') ? 1024 : 1);

interface SecurityContext {
  readonly privileged?: boolean;
  readonly allowPrivilegeEscalation?: boolean;
  readonly runAsNonRoot?: boolean;
  readonly runAsUser?: number;
  readonly seccompProfile?: { readonly type: string };
  readonly capabilities?: { readonly drop?: readonly string[]; readonly add?: readonly string[] };
}

/** The part of a pod that Pod Security reads. */
interface SecuredPod {
  readonly hostNetwork?: boolean;
  readonly hostPID?: boolean;
  readonly hostIPC?: boolean;
  readonly volumes?: readonly { readonly name: string; readonly [source: string]: unknown }[];
  readonly securityContext?: SecurityContext;
  readonly containers: readonly {
    readonly securityContext?: SecurityContext;
    readonly ports?: readonly { readonly hostPort?: number }[];
  }[];
}

const VOLUMES = ['configMap', 'csi', 'downwardAPI', 'emptyDir', 'ephemeral', 'persistentVolumeClaim', 'projected', 'secret'];

/** The controls of https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted that a pod violates. */
function violations({ hostNetwork, hostPID, hostIPC, volumes = [], securityContext: shared, containers }: SecuredPod): string[] {
  const contexts = containers.map(({ securityContext: own }) => ({ ...shared, ...own }));
  const controls: Readonly<Record<string, boolean>> = {
    'Host Namespaces': !hostNetwork && !hostPID && !hostIPC,
    'Host Ports': containers.every(({ ports = [] }) => ports.every(({ hostPort }) => !hostPort)),
    'Volume Types': volumes.every(({ name, ...source }) => Object.keys(source).every((type) => VOLUMES.includes(type))),
    'Privileged Containers': contexts.every(({ privileged }) => !privileged),
    'Privilege Escalation': contexts.every(({ allowPrivilegeEscalation }) => allowPrivilegeEscalation === false),
    'Running as Non-root': contexts.every(({ runAsNonRoot }) => runAsNonRoot === true),
    'Running as Non-root user': contexts.every(({ runAsUser }) => runAsUser !== 0),
    Seccomp: contexts.every(({ seccompProfile }) => /^(RuntimeDefault|Localhost)$/.test(seccompProfile?.type ?? '')),
    Capabilities: contexts.every(
      ({ capabilities: { drop = [], add = [] } = {} }) => drop.includes('ALL') && add.every((each) => each === 'NET_BIND_SERVICE'),
    ),
  };
  return Object.keys(controls).filter((control) => !controls[control]);
}

describe.each(Object.entries(profiles))('%s', (_, settings) => {
  const all = build(settings);

  test('every object says what it is, whose and of which version', () => {
    for (const { kind, metadata } of all) {
      const labels = ['name', 'instance', 'component', 'version', 'part-of', 'managed-by'].map(
        (label) => metadata.labels?.[`app.kubernetes.io/${label}`],
      );
      expect(labels.every(Boolean), `${kind} ${metadata.name}`).toBe(true);
    }
  });

  test('the namespace enforces Pod Security restricted, which every pod fits', () => {
    const [namespace] = all.filter(({ kind }) => kind === 'Namespace');
    expect(namespace?.metadata.labels?.['pod-security.kubernetes.io/enforce']).toBe('restricted');
    for (const { manifest } of workloads(all)) expect(violations(manifest.spec.template.spec), manifest.metadata.name).toEqual([]);
  });

  test('no container may write to its root filesystem, and no pod holds credentials of the API server', () => {
    for (const { manifest, pod } of workloads(all)) {
      for (const { name, securityContext } of pod.containers) expect(securityContext.readOnlyRootFilesystem, name).toBe(true);
      expect(manifest.spec.template.spec.automountServiceAccountToken, manifest.metadata.name).toBe(false);
    }
  });

  test('no container is restarted for the reason for which it gets no traffic', () => {
    for (const { manifest, pod } of workloads(all)) {
      if (manifest.kind === 'Job') continue;
      for (const { name, readinessProbe, livenessProbe } of pod.containers) expect(readinessProbe, name).not.toEqual(livenessProbe);
    }
  });

  test('every service is scraped; the workers and beat, which have no metrics port, through celery-exporter', () => {
    const running = all.filter(({ kind }) => /^(Deployment|StatefulSet)$/.test(kind));
    const names = new Set(running.map(({ metadata }) => metadata.labels?.['app.kubernetes.io/name']));
    const { scrape_configs } = parse(named(all, 'ConfigMap', 'prometheus').data['prometheus.yaml']);
    const jobs = scrape_configs.map(({ job_name }: { job_name: string }) => job_name);
    expect([...jobs, 'celery-worker', 'celery-beat'].sort()).toEqual([...names].sort());
  });

  test('each Secret key is read by those that the list names, and by nobody else', () => {
    const readers = new Map<string, Set<string>>();
    for (const { manifest, pod } of workloads(all)) {
      const mounted = (pod.volumes ?? []).flatMap(({ secret }) => secret?.items.map(({ key }) => `${secret.secretName}/${key}`) ?? []);
      const variables = pod.containers.flatMap(({ env = [] }) => env.flatMap(({ valueFrom }) => valueFrom?.secretKeyRef ?? []));
      for (const key of [...mounted, ...variables.map(({ name, key }) => `${name}/${key}`)]) {
        readers.set(key, (readers.get(key) ?? new Set()).add(manifest.metadata.labels?.['app.kubernetes.io/name'] ?? ''));
      }
    }
    const unused = [...(settings.cache ? [] : ['redis-cache']), ...(settings.tempo.bucket ? [] : ['object-storage'])];
    const listed = Object.values(secrets).filter(({ name }) => !unused.includes(name));
    for (const { name, keys } of listed) {
      for (const [key, { readers: expected }] of Object.entries(keys)) {
        expect([...(readers.get(`${name}/${key}`) ?? [])].sort(), `${name}/${key}`).toEqual([...expected].sort());
        readers.delete(`${name}/${key}`);
      }
    }
    expect([...readers.keys()]).toEqual([]);
  });

  test.each(['celery-worker-default', 'celery-beat'])('%s has every variable of the env file', (name) => {
    const env = new Map(podOf(named(all, 'Deployment', name))?.containers[0]?.env?.map((variable) => [variable.name, variable]));
    for (const variable of ['ARANGO_ROOT_PASSWORD', 'ARANGO_PASSWORD', 'REDIS_PASSWORD'])
      expect(env.get(variable)).toHaveProperty('valueFrom.secretKeyRef');
    expect(env.get('ARANGO_DATABASE')?.value).toBe('symphainy_platform');
    expect(env.get('ARANGO_USERNAME')?.value).toBe('platform_user');
    expect(env.get('REDIS_URL')?.value).toBe(`redis://:$(REDIS_PASSWORD)@${settings.cache ? 'redis-cache' : 'redis'}:6379/2`);
    expect(env.get('CELERY_BROKER_URL')?.value).toBe('redis://:$(CELERY_BROKER_PASSWORD)@redis:6379/0');
    expect(env.get('CELERY_RESULT_BACKEND')?.value).toBe('redis://:$(CELERY_BROKER_PASSWORD)@redis:6379/1');
    expect(env.get('OTEL_EXPORTER_OTLP_ENDPOINT')?.value).toBe('http://otel-collector:4317');
    expect(env.get('OTEL_SERVICE_NAME')?.value).toBe('symphainy-platform');
    expect(env.get('OTEL_RESOURCE_ATTRIBUTES')?.value).toMatch(
      /^service.name=symphainy-platform,service.version=1.0.0,.*k8s.pod.name=\$\(POD_NAME\)/,
    );
    expect(env.get('CONSUL_HTTP_ADDR')?.value).toBe('http://consul:8500');
    expect(env.get('CONSUL_DATACENTER')?.value).toBe('dc1');
    expect(env.get('TEMPO_ENDPOINT')?.value).toBe('http://tempo:3200');
    // Kubernetes expands what stands above, and leaves what stands below as it is written.
    const order = [...env.keys()];
    for (const [at, variable] of order.entries()) {
      for (const [, used = ''] of env.get(variable)?.value?.matchAll(/\$\((\w+)\)/g) ?? [])
        expect(order.indexOf(used), used).toBeLessThan(at);
    }
  });

  test('a Deployment that mounts a disk never has two pods', () => {
    for (const { manifest, pod } of workloads(all)) {
      if (manifest.kind !== 'Deployment' || !pod.volumes?.some(({ persistentVolumeClaim }) => persistentVolumeClaim)) continue;
      expect(manifest.spec).toMatchObject({ replicas: 1, strategy: { type: 'Recreate' } });
    }
  });

  test('a budget exists where there is more than one pod, and lets a drain go on', () => {
    const replicated = all.filter(({ kind }) => /Deployment|StatefulSet/.test(kind));
    const budgets = all.filter(({ kind }) => kind === 'PodDisruptionBudget');
    const selected = ({ spec }: Manifest) =>
      replicated.filter((each) => matches(spec.selector.matchLabels, each.spec.template.metadata.labels));
    const replicas = ({ spec }: Manifest): number => spec.replicas ?? 2;
    for (const budget of budgets) {
      expect(budget.spec).toMatchObject({ maxUnavailable: 1, unhealthyPodEvictionPolicy: 'AlwaysAllow' });
      expect(selected(budget).reduce((sum, each) => sum + replicas(each), 0)).toBeGreaterThan(1);
    }
    for (const each of replicated) if (replicas(each) > 1) expect(budgets.flatMap(selected)).toContain(each);
  });

  test('no other object knows of the Job that checks them all', () => {
    const { setup, platform, externalSecrets, smoke } = built(settings);
    expect(JSON.stringify([setup, platform, externalSecrets])).not.toContain('smoke');
    const policies = smoke.filter(({ kind }) => kind === 'NetworkPolicy');
    expect(policies.every(({ metadata }) => /^smoke(-to-|$)/.test(metadata.name))).toBe(true);
  });

  test('what an uninstall must not delete lies in setup/', () => {
    const { platform, externalSecrets, smoke } = built(settings);
    expect(
      [...platform, ...externalSecrets, ...smoke].filter(({ kind }) => /^(Namespace|PersistentVolumeClaim|PriorityClass)$/.test(kind)),
    ).toEqual([]);
  });
});

describe.each([
  ['a store', { from: 'store', store: { kind: 'SecretStore', name: 'vault' }, prefix: 'team/' }],
  ['a generator', { from: 'generator' }],
] as const)('Secrets from %s', (_, externalSecrets) => {
  const all = built({ ...profiles.dev, externalSecrets });

  test('come with exactly the keys of the list, for the Secrets that the profile reads', () => {
    const made = all.externalSecrets.filter(({ kind }) => kind === 'ExternalSecret');
    const keys = made.map(({ metadata, spec }) => [
      metadata.name,
      spec.data?.map(({ secretKey }: { secretKey: string }) => secretKey) ?? Object.keys(spec.target.template.data),
    ]);
    const { arangodb, redis, consul, grafana } = secrets;
    expect(Object.fromEntries(keys.map(([name, all]) => [name, all.sort()]))).toEqual(
      Object.fromEntries([arangodb, redis, consul, grafana].map(({ name, keys }) => [name, Object.keys(keys).sort()])),
    );
  });

  test('change no other object', () => {
    const { setup, platform, smoke } = built(profiles.dev);
    expect(all).toMatchObject({ setup, platform, smoke, findings: [] });
  });
});

test('generated Secrets have the formats that their programs want', () => {
  const all = built({ ...profiles.dev, externalSecrets: { from: 'generator' } }).externalSecrets;
  expect(named(all, 'Password', 'consul-gossip').spec).toMatchObject({ length: 32, encoding: 'base64', secretKeys: ['gossip-key'] });
  expect(named(all, 'Password', 'consul-uuid').spec).toMatchObject({ length: 16, encoding: 'hex' });
  const template = named(all, 'ExternalSecret', 'consul').spec.target.template.data['app-token'];
  expect(template.match(/substr \d+ \d+/g)).toEqual(['substr 0 8', 'substr 8 12', 'substr 12 16', 'substr 16 20', 'substr 20 32']);
  expect(named(all, 'ExternalSecret', 'consul').spec).toMatchObject({ refreshPolicy: 'CreatedOnce', target: { creationPolicy: 'Orphan' } });
});

test('dev fits a node of 2 CPUs and 6 GiB: it requests 1.2 cores and 4 GiB at most', () => {
  const all = build(profiles.dev).filter(({ metadata }) => metadata.labels?.['app.kubernetes.io/name'] !== 'smoke');
  const total = (kind: string) => containers(all).reduce((sum, { resources }) => sum + amount(resources.requests[kind] ?? '0'), 0);
  expect(total('cpu')).toBeLessThanOrEqual(1.2);
  expect(total('memory')).toBeLessThanOrEqual(4 * 1024);
});

test('the histograms of durations end at the longest task: a longer one would look as long as the last bucket', () => {
  const all = build({ ...profiles.dev, app: { ...profiles.dev.app, longestTask: Duration.minutes(45) } });
  const tempo = parse(named(all, 'ConfigMap', 'tempo').data['tempo.yaml']);
  for (const processor of ['span_metrics', 'service_graphs'])
    expect(tempo.metrics_generator.processor[processor].histogram_buckets.at(-1)).toBe(2700);
  const exporter = containers([named(all, 'Deployment', 'celery-exporter')])[0];
  expect(exporter?.env?.find(({ name }) => name === 'CE_BUCKETS')?.value).toMatch(/,2700$/);
});

test('a mirror serves every image', () => {
  const all = build({ ...profiles.dev, mirror: 'registry.example/hub' });
  for (const { image } of containers(all)) expect(image).toMatch(/^registry\.example\/hub\/docker\.io\//);
});

test('a store of one’s own is asked on its port, by its path, without TLS', () => {
  const bucket = { name: 'traces', region: 'here', endpoint: { host: 'minio.example', port: 9000 }, insecure: true, pathStyle: true };
  const all = build({ ...profiles.prod, tempo: { ...profiles.prod.tempo, bucket }, loki: { ...profiles.prod.loki, bucket } });
  expect(named(all, 'ConfigMap', 'tempo').data['tempo.yaml']).toMatch(
    /endpoint: minio\.example:9000\n.*\n\s+insecure: true\n\s+forcepathstyle: true/,
  );
  expect(named(all, 'ConfigMap', 'loki').data['loki.yaml']).toMatch(
    /endpoint: minio\.example:9000\n.*\n\s+insecure: true\n\s+s3forcepathstyle: true/,
  );
});

test('one changed setting changes the pods that read it and no others', () => {
  const templates = (settings: Settings) =>
    new Map(
      workloads(build(settings)).map(({ manifest }) => [
        manifest.metadata.labels?.['app.kubernetes.io/instance'],
        JSON.stringify(manifest.spec.template),
      ]),
    );
  const before = templates(profiles.dev);
  const changed = (settings: Settings) => {
    const after = templates(settings);
    return [...before.keys()].filter((name) => before.get(name) !== after.get(name));
  };
  const { dev } = profiles;
  expect(changed(dev)).toEqual([]);
  expect(changed({ ...dev, tempo: { ...dev.tempo, maxSeries: 1 } })).toEqual(['tempo']);
  expect(changed({ ...dev, images: { ...images, loki: 'docker.io/grafana/loki:3.8.0' } })).toEqual(['loki']);
});

test('the exporter of a Redis sends its password to no other host', () => {
  const exporters = containers(build(profiles.prod)).filter(({ image }) => image === images.redisExporter);
  expect(exporters.length).toBe(2);
  for (const { env } of exporters) expect(env).toContainEqual({ name: 'REDIS_EXPORTER_DISABLE_SCRAPE_ENDPOINT', value: 'true' });
});

test('one number decides about quorum', () => {
  const consul = (servers: 1 | 3 | 5) => {
    const all = build({ ...profiles.dev, consul: { ...profiles.dev.consul, servers } });
    return {
      ...JSON.parse(named(all, 'ConfigMap', 'consul').data['consul.json']),
      ...JSON.parse(named(all, 'ConfigMap', 'consul-acl').data['autopilot.json']),
      replicas: named(all, 'StatefulSet', 'consul').spec.replicas,
      // Another name is another Job: it runs again when the number changes.
      job: all.find(({ kind, metadata }) => kind === 'Job' && metadata.name.startsWith('consul-acl-'))?.metadata.name,
    };
  };
  const [one, three, five] = [consul(1), consul(3), consul(5)];
  expect(one).toMatchObject({ replicas: 1, bootstrap_expect: 1, MinQuorum: 1 });
  expect(three).toMatchObject({ replicas: 3, bootstrap_expect: 3, MinQuorum: 2 });
  expect(five).toMatchObject({ replicas: 5, bootstrap_expect: 5, MinQuorum: 3 });
  expect(new Set([one.job, three.job, five.job]).size).toBe(3);
});
