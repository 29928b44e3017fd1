import { App, Chart, Duration, Size } from 'cdk8s';
import { Cpu, k8s } from 'cdk8s-plus-27';
import { Construct } from 'constructs';
import { describe, expect, test } from 'vitest';
import { configMap, yaml } from '../lib/config.ts';
import { persistentVolumeClaim, volumeClaimTemplate } from '../lib/disk.ts';
import { http, tcp } from '../lib/pod.ts';
import { type Manifest, manifests } from '../lib/render.ts';
import { secretRefs } from '../lib/secret.ts';
import { component, shared } from '../lib/testing.ts';
import { deployment, statefulSet } from '../lib/workload.ts';
import { check, rules } from './index.ts';
import type { Facts } from './platform.ts';

const { redis: secret } = secretRefs({ redis: { password: { format: 'password', purpose: 'opens', readers: ['server', 'client'] } } });
const facts: Facts = {
  secrets: { redis: ['password'] },
  externals: ['s3.example.org:443'],
  immutable: { server: { serviceName: 'server', claims: ['data ReadWriteOnce'] }, client: {}, watcher: {} },
  grace: { server: 30 },
};

/** A valid platform: a server with a disk, a client of it and of an external store, and a watcher of both. */
function good(): Map<string, Manifest[]> {
  const app = new App();
  const chart = new Chart(app, 'all', shared);
  const resources = { cpu: Cpu.millis(100), memory: Size.mebibytes(64) };
  const common = { priority: 'data', grace: Duration.seconds(30) } as const;
  const image = 'example.org/a:1.2.3';

  const server = component(chart, 'server');
  const service = server.serve({ redis: 6379, metrics: 9121 }, { headless: true });
  server.connectSelf(6379, 9121);
  statefulSet(server, {
    ...common,
    service,
    replicas: 3,
    containers: [
      {
        name: 'server',
        image,
        command: ['serve', `--password-file=${secret.path('password')}`],
        args: ['--listen=:6379', '--metrics=:9121', '--join=server.test.svc.cluster.local'],
        ports: { redis: 6379, metrics: 9121 },
        resources,
        mounts: [secret.mount('password'), volumeClaimTemplate('/data', 'data', Size.gibibytes(1), shared)],
        readiness: { ...http('/ready', 'redis'), successThreshold: 3 },
        liveness: tcp('redis'),
      },
    ],
  });

  const client = component(chart, 'client');
  const [server6379, store] = [client.connect(service.endpoints.redis), client.connectExternal({ host: 's3.example.org', port: 443 })];
  const files = configMap(client, () => ({
    'client.yaml': yaml({
      listen: '0.0.0.0:8080',
      server: server6379,
      store,
    }),
    'sources.yaml': yaml({ datasources: [{ uid: 'prometheus', jsonData: { tracesToMetrics: { datasourceUid: 'prometheus' } } }] }),
    'board.json': JSON.stringify({ panels: [{ datasource: { uid: 'prometheus' } }] }),
  }));
  deployment(client, {
    ...common,
    strategy: 'Recreate',
    containers: [
      {
        name: 'client',
        image,
        args: ['--config=/etc/client/client.yaml'],
        env: { PASSWORD: secret.env('password'), URL: 'redis://:$(PASSWORD)@server:6379/0' },
        ports: { http: 8080 },
        resources,
        mounts: [
          files.mount('/etc/client'),
          persistentVolumeClaim(new Construct(chart, 'disks'), 'client', Size.gibibytes(1), shared).mount('/state'),
        ],
        readiness: http('/ready', 'http'),
        liveness: tcp('http'),
      },
    ],
  });

  const watcher = component(chart, 'watcher');
  const targets = [0, 1, 2].map((ordinal) => `server-${ordinal}.server:9121`);
  watcher.connect(service.endpoints.metrics);
  const scrape = configMap(watcher, () => ({ 'prometheus.yaml': yaml({ scrape_configs: [{ static_configs: [{ targets }] }] }) }));
  deployment(watcher, {
    ...common,
    strategy: 'RollingUpdate',
    containers: [
      {
        name: 'watcher',
        image,
        args: ['--listen=:9090'],
        ports: { web: 9090 },
        resources,
        mounts: [scrape.mount('/etc/watcher')],
        readiness: http('/ready', 'web'),
        liveness: tcp('web'),
      },
    ],
  });

  new k8s.KubePriorityClass(chart, 'priority', { metadata: { name: 'test-data' }, value: 1 });
  const hard = Object.entries({ 'requests.cpu': '600m', 'requests.memory': '384Mi', 'limits.memory': '384Mi', 'requests.storage': '4Gi' });
  new k8s.KubeResourceQuota(chart, 'quota', {
    metadata: { name: 'quota' },
    spec: { hard: Object.fromEntries(hard.map(([name, amount]) => [name, k8s.Quantity.fromString(amount)])) },
  });
  return new Map([...manifests(app)].map(([file, objects]) => [file, structuredClone([...objects])]));
}

// biome-ignore lint/suspicious/noExplicitAny: a broken manifest is no manifest
type Broken = any;
type Break = (find: (kind: string, name: string) => Broken, objects: Broken[]) => void;

/** The findings of the valid platform after a change. */
function findings(breakIt: Break): string[] {
  const files = good();
  const objects = [...files.values()].flat();
  breakIt((kind, name) => {
    const found = objects.find((object) => object.kind === kind && object.metadata.name === name);
    if (!found) throw new Error(`there is no ${kind} ${name}`);
    return found;
  }, objects);
  return check(new Map([['all.yaml', objects]]), facts);
}

const container = (workload: Broken) => workload.spec.template.spec.containers[0];
const remove = (objects: Broken[], kind: string, name: string) =>
  objects.splice(
    objects.findIndex((object) => object.kind === kind && object.metadata.name === name),
    1,
  );

test('a valid platform has no findings', () => {
  expect(findings(() => undefined)).toEqual([]);
});

const fileOf = (name: string, content: object) => ({ kind: 'ConfigMap', metadata: { name }, data: { [`${name}.yaml`]: yaml(content) } });

/** Adds a collector with such a queue before Loki, and a Loki with such a configuration. */
const telemetry =
  (queue: object, loki: object = {}): Break =>
  (_, objects) => {
    const protocols = { grpc: {}, http: { max_request_body_size: 4194304 } };
    const exporters = { 'otlp_http/loki': { endpoint: 'http://loki:3100/otlp', sending_queue: queue } };
    objects.push(fileOf('collector', { receivers: { otlp: { protocols } }, exporters }), fileOf('loki', { schema_config: {}, ...loki }));
  };

/** Adds a collector that accepts and passes on requests of so many MiB, and a Tempo with such a configuration. */
const traces =
  (mebibytes: number, tempo: object): Break =>
  (_, objects) => {
    const protocols = { grpc: { max_recv_msg_size_mib: mebibytes } };
    const exporters = { 'otlp_grpc/tempo': { endpoint: 'tempo:4317', sending_queue: {} } };
    objects.push(fileOf('collector', { receivers: { otlp: { protocols } }, exporters }), fileOf('tempo', { live_store: {}, ...tempo }));
  };

/** For each rule: a fault, how to make it, and its line. */
const cases: Record<keyof typeof rules, [string, Break, string][]> = {
  accounts: [
    [
      'an unknown account',
      (find) => Object.assign(find('Deployment', 'client').spec.template.spec, { serviceAccountName: 'nobody' }),
      'all.yaml: Deployment client: spec.template.spec.serviceAccountName: no ServiceAccount "nobody" exists; use one of server, client, watcher (accounts)',
    ],
    ['an unknown priority', (_, objects) => remove(objects, 'PriorityClass', 'test-data'), 'no PriorityClass "test-data" exists'],
  ],
  addresses: [
    [
      'an unknown host',
      (find) => (find('ConfigMap', 'client').data['client.yaml'] = 'server: sever:6379\n'),
      'all.yaml: ConfigMap client: data.client.yaml: sever:6379 is no Service and port of this profile; take the address from component.connect, or from component.connectExternal if it is outside the cluster (addresses)',
    ],
    [
      'a port that the Service does not have',
      (find) => (container(find('Deployment', 'client')).env[1].value = 'redis://server:6380/0'),
      'server:6380 is no Service and port',
    ],
    [
      'an unknown address in an argument',
      (find) => container(find('Deployment', 'client')).args.push('--peer=http://other:80/'),
      'other:80 is no Service and port',
    ],
    [
      'a URL with the default port',
      (find) => container(find('Deployment', 'client')).args.push('--peer=http://server/'),
      'server:80 is no Service and port',
    ],
    [
      'an undeclared external address',
      (find) => (find('ConfigMap', 'client').data['client.yaml'] = 'store: s3.example.com:443\n'),
      's3.example.com:443 is no Service and port',
    ],
    [
      'a pod that does not exist',
      (find) => (find('StatefulSet', 'server').spec.replicas = 2),
      'server-2.server:9121 is no Service and port',
    ],
    [
      'a listener on a port that is not declared',
      (find) => (find('ConfigMap', 'client').data['client.yaml'] = 'listen: 0.0.0.0:8081\n'),
      'no container of client declares the port of 0.0.0.0:8081',
    ],
  ],
  batches: [
    ['a batch without a limit', telemetry({ batch: {} }), 'exporters.otlp_http/loki.sending_queue.batch: a batch has no limit in bytes'],
    [
      'requests that are merged by their number of records',
      telemetry({ batch: { sizer: 'items', min_size: 100, max_size: 100 } }),
      'a batch has no limit in bytes; set sizer: bytes and max_size, or sizer: items, min_size: 1 and max_size',
    ],
    [
      'a batch that is smaller than a record',
      telemetry({ batch: { sizer: 'bytes', max_size: 1000 } }),
      'a batch is limited to 1000 bytes, and a record of up to 4194304 bytes would be dropped',
    ],
    [
      'a batch for Loki without a limit of records',
      telemetry({ batch: { sizer: 'bytes', max_size: 4194304 } }),
      'a batch has no limit in records, and loki adds up to 65536 bytes to each, so it may exceed ingestion_burst_size_mb',
    ],
    [
      "Loki's burst, by its default",
      telemetry({ batch: { sizer: 'items', min_size: 1, max_size: 100 } }),
      'a batch may need 10747904 bytes, and ingestion_burst_size_mb of loki is 6291456',
    ],
    [
      "Loki's own messages, by their default",
      telemetry({ batch: { sizer: 'items', min_size: 1, max_size: 100 } }, { limits_config: { ingestion_burst_size_mb: 16 } }),
      'a batch may need 10747904 bytes, and grpc_server_max_recv_msg_size of loki is 4194304',
    ],
    [
      "Loki's lines, by their default",
      telemetry({ batch: { sizer: 'items', min_size: 1, max_size: 1 } }, { limits_config: { ingestion_burst_size_mb: 16 } }),
      'a batch may need 4194304 bytes, and max_line_size of loki is 262144',
    ],
    [
      "Tempo's messages, by their default",
      traces(8, { overrides: {} }),
      'a batch may need 8388608 bytes, and max_recv_msg_size_mib of tempo is 4194304',
    ],
    [
      "Tempo's traces, by their default",
      traces(8, { overrides: {} }),
      'a batch may need 8388608 bytes, and max_bytes_per_trace of tempo is 5000000',
    ],
    [
      "Tempo's burst, though its traces have no limit",
      traces(32, { overrides: { defaults: { global: { max_bytes_per_trace: 0 } } } }),
      'a batch may need 33554432 bytes, and burst_size_bytes of tempo is 20000000',
    ],
  ],
  budgets: [
    [
      'a budget without disruptions',
      (find) => (find('PodDisruptionBudget', 'server').spec.maxUnavailable = 0),
      'it allows no disruption of 3 pods, so a drain never ends',
    ],
    [
      'a budget of all pods',
      (find) =>
        (find('PodDisruptionBudget', 'server').spec = { minAvailable: 3, selector: find('PodDisruptionBudget', 'server').spec.selector }),
      'it allows no disruption of 3 pods',
    ],
    [
      'a budget without pods',
      (find) => (find('PodDisruptionBudget', 'server').spec.selector.matchLabels = { a: 'b' }),
      'PodDisruptionBudget server: spec.selector: it selects no pod',
    ],
  ],
  claims: [
    ['an unknown claim', (_, objects) => remove(objects, 'PersistentVolumeClaim', 'client'), 'no PersistentVolumeClaim client exists'],
    [
      'a rollout that overlaps on a disk',
      (find) => (find('Deployment', 'client').spec.strategy = { type: 'RollingUpdate' }),
      'a rollout would start a second pod while the first holds the claim client',
    ],
    ['two pods on a disk', (find) => (find('Deployment', 'client').spec.replicas = 2), '2 pods mount the claim client'],
    [
      'two workloads on a disk',
      (find) =>
        find('Deployment', 'watcher').spec.template.spec.volumes.push({ name: 'data', persistentVolumeClaim: { claimName: 'client' } }),
      'client mounts the claim client too',
    ],
    [
      'a disk of a StatefulSet that runs',
      (find) =>
        find('Deployment', 'watcher').spec.template.spec.volumes.push({
          name: 'data',
          persistentVolumeClaim: { claimName: 'data-server-2' },
        }),
      'the claim data-server-2 belongs to the pod server-2, which runs too; scale the StatefulSet server to 0 meanwhile',
    ],
    [
      'a disk without an ordinal',
      (find) =>
        find('Deployment', 'watcher').spec.template.spec.volumes.push({
          name: 'data',
          persistentVolumeClaim: { claimName: 'data-server-x' },
        }),
      'no PersistentVolumeClaim data-server-x exists',
    ],
    [
      'a disk that no pod mounts',
      (find) => find('Deployment', 'client').spec.template.spec.volumes.pop(),
      'PersistentVolumeClaim client: metadata.name: no pod mounts it',
    ],
  ],
  configs: [
    ['an unknown ConfigMap', (_, objects) => remove(objects, 'ConfigMap', 'client'), 'no ConfigMap client exists'],
    [
      'an unknown file',
      (find) => (container(find('Deployment', 'client')).args = ['--config=/etc/client/config.yaml']),
      'it reads /etc/client/config.yaml, and ConfigMap client has no key config.yaml; use one of board.json, client.yaml, sources.yaml',
    ],
  ],
  datasources: [
    [
      'a dashboard on a source that is not provisioned',
      (find) => (find('ConfigMap', 'client').data['board.json'] = '{"datasource":{"uid":"prom"}}'),
      'data.board.json: it uses the data source "prom", which is not provisioned; use one of prometheus',
    ],
    [
      'a link to a source that is not provisioned',
      (find) =>
        (find('ConfigMap', 'client').data['sources.yaml'] =
          'datasources: [{uid: prometheus, jsonData: {tracesToLogsV2: {datasourceUid: loki}}}]'),
      'it uses the data source "loki"',
    ],
  ],
  duplicates: [
    [
      'the same object twice',
      (find, objects) => objects.push(structuredClone(find('ConfigMap', 'client'))),
      'all.yaml: ConfigMap client: metadata.name: another object has this kind and name',
    ],
  ],
  immutable: [
    [
      'another selector',
      (find) => (find('StatefulSet', 'server').spec.selector.matchLabels.version = '1'),
      'StatefulSet server: spec.selector: it is [["app.kubernetes.io/instance","server"],["app.kubernetes.io/name","server"],["version","1"]]',
    ],
    [
      'another claim template',
      (find) => (find('StatefulSet', 'server').spec.volumeClaimTemplates[0].metadata.name = 'disk'),
      'they are [disk ReadWriteOnce], not [data ReadWriteOnce]',
    ],
    [
      'another governing Service',
      (find) => (find('StatefulSet', 'server').spec.serviceName = 'server-members'),
      'spec.serviceName: it is server-members, not server',
    ],
    [
      'another name',
      (find) => (find('Deployment', 'client').metadata.name = 'customer'),
      'metadata.name: it is neither "client" nor "client-…"',
    ],
    [
      'a new workload',
      (find) => (find('Deployment', 'client').metadata.labels['app.kubernetes.io/name'] = 'new'),
      '"new" is not in charts/immutable.ts; add it there',
    ],
  ],
  governingServices: [
    [
      'an unknown Service',
      (_, objects) => remove(objects, 'Service', 'server'),
      'StatefulSet server: spec.serviceName: no Service server exists',
    ],
    [
      'a Service that is not headless',
      (find) => (find('Service', 'server').spec.clusterIP = undefined),
      'the Service server is not headless',
    ],
  ],
  grace: [
    [
      'too little time to stop',
      (find) => (find('StatefulSet', 'server').spec.template.spec.terminationGracePeriodSeconds = 10),
      'it is 10 s, and the program needs 30 s to stop',
    ],
  ],
  images: [
    [
      'latest',
      (find) => (container(find('Deployment', 'client')).image = 'example.org/a:latest'),
      'the tag "latest" may move to another image',
    ],
    ['no tag', (find) => (container(find('Deployment', 'client')).image = 'example.org/a'), 'the tag "" may move to another image'],
    [
      'a major release',
      (find) => (container(find('Deployment', 'client')).image = 'example.org/redis:7-alpine'),
      'the tag "7-alpine" may move to another image',
    ],
    ['no registry', (find) => (container(find('Deployment', 'client')).image = 'redis:7.2.4'), '"redis:7.2.4" has no registry'],
  ],
  mounts: [
    [
      'a folder that is not mounted',
      (find) => container(find('Deployment', 'client')).volumeMounts.shift(),
      '/etc/client/client.yaml is used, and no volume is mounted there',
    ],
  ],
  openPaths: [
    [
      'a client without egress',
      (find) => find('NetworkPolicy', 'client').spec.egress.splice(1, 1),
      'client uses server 6379/TCP, and the egress rules of client do not allow it',
    ],
    [
      'a server without ingress',
      (find) => delete find('NetworkPolicy', 'server').spec.ingress,
      'client uses server 6379/TCP, and the ingress rules of server do not allow it',
    ],
    [
      'no policy',
      (_, objects) => remove(objects, 'NetworkPolicy', 'watcher'),
      'watcher uses server 9121/TCP, and the egress rules of watcher do not allow it',
    ],
    [
      'an external store without egress',
      (find) => {
        const { spec } = find('NetworkPolicy', 'client');
        spec.egress = spec.egress.filter(({ to }: { to: { ipBlock?: object }[] }) => !to.some(({ ipBlock }) => ipBlock));
      },
      'its config has s3.example.org, and no policy allows egress to port 443',
    ],
  ],
  plainSecrets: [
    [
      'a Secret with a value',
      (_, objects) => objects.push({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'x' }, stringData: { a: 'b' } }),
      'Secret x: data: a Secret with values would be committed',
    ],
    [
      'a variable',
      (find) => container(find('Deployment', 'client')).env.push({ name: 'DB_PASSWORD', value: 'hunter22' }),
      'env.DB_PASSWORD: its value looks like a secret',
    ],
    [
      'a password in a URL',
      (find) => (container(find('Deployment', 'client')).env[1].value = 'redis://:hunter22@server:6379/0'),
      'env.URL: its value looks like a secret',
    ],
    [
      'an argument',
      (find) => container(find('Deployment', 'client')).args.push('--requirepass-token=hunter22'),
      'an argument looks like a secret',
    ],
    [
      'a config',
      (find) => (find('ConfigMap', 'client').data['client.yaml'] = 'basic_auth: {password: hunter22}\n'),
      'data.client.yaml: "password:…" looks like a secret',
    ],
  ],
  policies: [
    [
      'a pod without a policy',
      (_, objects) => remove(objects, 'NetworkPolicy', 'client'),
      'Deployment client: spec.template.metadata.labels: no NetworkPolicy restricts its ingress',
    ],
  ],
  ports: [
    [
      'a program that listens at another port',
      (find) => container(find('StatefulSet', 'server')).args.splice(1, 1, '--metrics=:19121'),
      'StatefulSet server: spec.template.spec.containers[0].ports[1]: server is not configured to listen at 9121 (metrics)',
    ],
  ],
  probes: [
    [
      'a port that is not declared',
      (find) => (container(find('Deployment', 'client')).readinessProbe.httpGet.port = 'web'),
      'client does not declare the port web; use one of http',
    ],
    ['no liveness', (find) => delete container(find('Deployment', 'client')).livenessProbe, 'livenessProbe: it is missing'],
  ],
  quorums: [
    [
      'a server that is ready before it votes',
      (find) => (container(find('StatefulSet', 'server')).readinessProbe.successThreshold = 1),
      'all.yaml: StatefulSet server: spec.template.spec.containers[0].readinessProbe.successThreshold: a server is ready after 0 s of good health, and votes only after up to 20 s; require 20 s of successful probes (quorums)',
    ],
    [
      'a server that is ready after 10 s',
      (find) => (container(find('StatefulSet', 'server')).readinessProbe.periodSeconds = 5),
      'a server is ready after 10 s of good health, and votes only after up to 20 s',
    ],
  ],
  quota: [
    [
      'more memory than there may be',
      (find) => (find('ResourceQuota', 'quota').spec.hard['requests.memory'] = '383Mi'),
      'it is 383Mi, and all pods of this profile need 384 MiB',
    ],
    [
      'more disk',
      (find) => (find('ResourceQuota', 'quota').spec.hard['requests.storage'] = '3Gi'),
      'it is 3Gi, and all pods of this profile need 4096 MiB',
    ],
    [
      'more pods than the autoscaler may make',
      (_, objects) =>
        objects.push({
          kind: 'HorizontalPodAutoscaler',
          metadata: { name: 'watcher' },
          spec: { scaleTargetRef: { name: 'watcher' }, maxReplicas: 9 },
        }),
      'it is 600m, and all pods of this profile need 1.4 cores',
    ],
    [
      'more pods than the quota has cores for',
      (find) => (find('StatefulSet', 'server').spec.replicas = 4),
      'it is 600m, and all pods of this profile need 0.7 cores',
    ],
  ],
  resources: [
    ['no limit', (find) => delete container(find('Deployment', 'client')).resources.limits.memory, 'it has no limit for memory'],
    [
      'a request above its limit',
      (find) => (container(find('Deployment', 'client')).resources.requests.cpu = '2'),
      'the request of 2 cpu exceeds the limit of 1',
    ],
  ],
  scrapes: [
    [
      'a metrics port that is not scraped',
      (find) => container(find('Deployment', 'client')).ports.push({ name: 'metrics', containerPort: 9000, protocol: 'TCP' }),
      'Prometheus does not scrape the metrics port 9000',
    ],
  ],
  secrets: [
    [
      'an unlisted key in a variable',
      (find) => (container(find('Deployment', 'client')).env[0].valueFrom.secretKeyRef.key = 'passwort'),
      'env.PASSWORD: no Secret redis has a key passwort; add the key to charts/secrets.ts, or use an existing one',
    ],
    [
      'an unlisted key in a file',
      (find) => (find('StatefulSet', 'server').spec.template.spec.volumes[0].secret.items[0].key = 'passwort'),
      'no Secret redis has a key passwort',
    ],
    [
      'a key that only a script reads',
      (find) => {
        container(find('Deployment', 'client')).env.push({ name: 'FOLDER', value: '/run/secrets/redis' });
        find('ConfigMap', 'client').data['start.sh'] = 'cat "$FOLDER/password"';
      },
      'its script reads password, which is not mounted; mount the key password of Secret redis',
    ],
    [
      'a file that is not mounted',
      (find) => (find('StatefulSet', 'server').spec.template.spec.volumes = []),
      'it reads /run/secrets/redis/password, which is not mounted',
    ],
  ],
  services: [
    [
      'a selector without pods',
      (find) => (find('Service', 'server').spec.selector = { a: 'b' }),
      'Service server: spec.selector: it selects no pod',
    ],
    [
      'an unknown target port',
      (find) => (find('Service', 'server').spec.ports[0].targetPort = 'http'),
      'spec.ports.redis.targetPort: no container of server has a TCP port "http"',
    ],
    ['another protocol', (find) => (find('Service', 'server').spec.ports[0].protocol = 'UDP'), 'has a UDP port "redis"'],
  ],
  usedPaths: [
    [
      'unused egress',
      (find) => (find('NetworkPolicy', 'client').spec.egress[1].ports[0].port = 6380),
      'NetworkPolicy client: spec.egress[1]: it allows server 6380/TCP, and no config uses it',
    ],
    [
      'unused external egress',
      (find) => (find('ConfigMap', 'client').data['client.yaml'] = 'server: server:6379\n'),
      'it allows 0.0.0.0/0 443/TCP, and no config uses it',
    ],
    [
      'unused ingress',
      (find) => (find('NetworkPolicy', 'server').spec.ingress[1].from[0].podSelector.matchLabels['app.kubernetes.io/name'] = 'watcher'),
      'it allows watcher 6379/TCP, and no config uses it',
    ],
  ],
};

test('every rule has a case', () => expect(Object.keys(cases)).toEqual(Object.keys(rules)));

describe.each(Object.entries(cases))('%s', (rule, broken) => {
  test.each(broken)('%s', (_, breakIt, line) => {
    const found = findings(breakIt).filter((finding) => finding.endsWith(`(${rule})`));
    expect(found.join('\n')).toContain(line);
  });
});
