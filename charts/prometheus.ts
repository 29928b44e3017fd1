import { Chart, Duration, type Size } from 'cdk8s';
import type { Construct } from 'constructs';
import { Component, type Endpoint, portNumber, type Shared } from '../lib/component.ts';
import { configMap, yaml } from '../lib/config.ts';
import { volumeClaimTemplate } from '../lib/disk.ts';
import { http, type Resources } from '../lib/pod.ts';
import type { ScrapeTarget } from '../lib/scrape-target.ts';
import type { SecretRef } from '../lib/secret.ts';
import { MAX_DELAY } from '../lib/telemetry.ts';
import { statefulSet } from '../lib/workload.ts';
import { type AlertGroup, ruleGroup } from './prometheus/rules/group.ts';

const PORTS = { prometheus: 9090 };
const SCRAPE_INTERVAL = Duration.seconds(30);

export interface PrometheusSettings {
  readonly resources: Resources;
  /** Disk of the samples; Prometheus uses at most 80 % of it. */
  readonly disk: Size;
  /** Maximum age of a sample. Prometheus deletes samples earlier when the disk is full. */
  readonly retention: Duration;
}

interface PrometheusProps extends PrometheusSettings {
  readonly image: string;
  /** Credentials of the targets with authentication. */
  readonly secrets: { readonly arangodb: SecretRef<'metrics-password'>; readonly consul: SecretRef<'metrics-token'> };
}

/** One Prometheus, which also receives metrics from Tempo and the Collector. */
export class Prometheus extends Chart {
  /** Seconds that it needs to stop without losing data. */
  static readonly minimumGrace = 300;
  readonly prometheus: Endpoint<'prometheus'>;
  readonly metrics: ScrapeTarget;
  /** Interval of all scrapes. */
  readonly scrapeInterval = SCRAPE_INTERVAL;
  private readonly component: Component;
  private readonly jobs: object[] = [];
  private readonly groups: AlertGroup[] = [];

  constructor(scope: Construct, id: string, shared: Shared, props: PrometheusProps) {
    super(scope, id, shared);
    const component = new Component(this, id, shared, { role: 'metrics', image: props.image });
    const service = component.serve(PORTS, { headless: true });

    const files = configMap(component, () => ({
      'prometheus.yaml': yaml({
        global: { scrape_interval: `${SCRAPE_INTERVAL.toSeconds()}s`, external_labels: { cluster: shared.namespace } },
        rule_files: ['/etc/prometheus/rules.yaml'],
        storage: {
          tsdb: {
            // The write-ahead log and a running compaction need the rest of the disk.
            retention: { time: `${props.retention.toHours()}h`, size: `${Math.floor(props.disk.toMebibytes() * 0.8)}MB` },
            // Samples that the Collector queued during an outage arrive after newer ones.
            out_of_order_time_window: `${MAX_DELAY.toHours()}h`,
          },
        },
        otlp: { promote_resource_attributes: ['service.version', 'k8s.namespace.name', 'k8s.node.name', 'k8s.pod.name'] },
        scrape_configs: this.jobs,
      }),
      'rules.yaml': yaml({ groups: this.groups.map(ruleGroup) }),
    }));

    statefulSet(component, {
      service,
      priority: 'data',
      grace: Duration.minutes(5),
      containers: [
        {
          name: 'prometheus',
          image: props.image,
          args: [
            '--config.file=/etc/prometheus/prometheus.yaml',
            `--web.listen-address=:${PORTS.prometheus}`,
            '--storage.tsdb.path=/prometheus',
            '--web.enable-remote-write-receiver',
            '--web.enable-otlp-receiver',
            '--enable-feature=exemplar-storage',
          ],
          ports: PORTS,
          resources: props.resources,
          mounts: [
            files.mount('/etc/prometheus'),
            props.secrets.arangodb.mount('metrics-password'),
            props.secrets.consul.mount('metrics-token'),
            volumeClaimTemplate('/prometheus', 'data', props.disk, shared),
          ],
          // Up to 15 minutes to replay the write-ahead log of two hours.
          startup: { ...http('/-/ready', 'prometheus'), periodSeconds: 5, failureThreshold: 180 },
          readiness: http('/-/ready', 'prometheus'),
          liveness: http('/-/healthy', 'prometheus'),
        },
      ],
    });

    this.component = component;
    this.prometheus = service.endpoints.prometheus;
    this.metrics = { endpoint: service.endpoints.prometheus };
  }

  /** Adds alerts. */
  alert(...groups: readonly AlertGroup[]): void {
    this.groups.push(...groups);
  }

  /** Adds scrape targets. */
  scrape(...targets: readonly ScrapeTarget[]): void {
    for (const target of targets) {
      const { endpoint, path, params, auth } = target;
      this.component.connect(endpoint);
      const port = portNumber(endpoint.port);
      this.jobs.push({
        job_name: endpoint.component.name,
        ...(path && { metrics_path: path }),
        ...(params && { params }),
        ...(auth && 'user' in auth && { basic_auth: { username: auth.user, password_file: auth.passwordFile } }),
        ...(auth && 'tokenFile' in auth && { authorization: { credentials_file: auth.tokenFile } }),
        ...(target.dnsDiscovery
          ? // The default of 30 s delays the first scrape of a new pod, and a replaced pod counts as down for that long.
            { dns_sd_configs: [{ names: [endpoint.host], type: 'A', port, refresh_interval: '10s' }] }
          : { static_configs: [{ targets: (target.hosts ?? [endpoint.host]).map((host) => `${host}:${port}`) }] }),
      });
    }
  }
}
