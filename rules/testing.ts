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
import { check, type rules } from './index.ts';
import type { Facts } from './platform.ts';

const { redis: secret } = secretRefs({
  redis: { password: { format: 'password', purpose: "the server's password", readers: ['server', 'client'] } },
});
const facts: Facts = {
  secrets: { redis: ['password'] },
  externals: ['s3.example.org:443'],
  immutable: { server: { serviceName: 'server', claims: ['data ReadWriteOnce'] }, client: {}, watcher: {} },
  grace: { server: 30, client: 30, watcher: 30 },
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
export type Broken = any;
export type Break = (find: (kind: string, name: string) => Broken, objects: Broken[]) => void;

/** The findings of the valid platform after a change. */
export function findings(breakIt: Break): string[] {
  const files = good();
  const objects = [...files.values()].flat();
  breakIt((kind, name) => {
    const found = objects.find((object) => object.kind === kind && object.metadata.name === name);
    if (!found) throw new Error(`there is no ${kind} ${name}`);
    return found;
  }, objects);
  return check(new Map([['all.yaml', objects]]), facts);
}

/** The first container of a workload. */
export const container = (workload: Broken) => workload.spec.template.spec.containers[0];
export const remove = (objects: Broken[], kind: string, name: string) =>
  objects.splice(
    objects.findIndex((object) => object.kind === kind && object.metadata.name === name),
    1,
  );

/** Tests one rule: a fault, how to make it, and the finding, or its end. */
export function testRule(rule: keyof typeof rules, faults: readonly (readonly [string, Break, string])[]): void {
  describe(rule, () => {
    test.each(faults)('%s', (_, breakIt, line) => {
      const found = findings(breakIt).filter((finding) => finding.endsWith(`(${rule})`));
      expect(found.join('\n')).toContain(line);
    });
  });
}
