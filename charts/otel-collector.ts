import { Chart, Duration, type Size } from 'cdk8s';
import type { Construct } from 'constructs';
import { Component, type Endpoint, type Shared } from '../lib/component.ts';
import { configMap, yaml } from '../lib/config.ts';
import type { Disk } from '../lib/disk.ts';
import { goMemoryLimit, http, type Resources, tcp } from '../lib/pod.ts';
import type { ScrapeTarget } from '../lib/scrape-target.ts';
import { LARGEST_REQUEST, MAX_PUSH_RECORDS } from '../lib/telemetry.ts';
import { deploymentPerDisk } from '../lib/workload.ts';

const OTLP = { 'otlp-grpc': 4317, 'otlp-http': 4318 };
const METRICS = { metrics: 8888 };
const HEALTH = { health: 13133 };
const QUEUE = '/var/lib/otelcol/queue';

export interface OtelCollectorSettings {
  readonly resources: Resources;
  /** Number of collectors behind the Service. */
  readonly replicas: number;
  /** Disk of each collector's queue, which survives a restart. */
  readonly queue: Size;
  /** Logs the received telemetry with this verbosity. @default - none */
  readonly debug?: 'basic' | 'normal' | 'detailed';
}

interface OtelCollectorProps extends OtelCollectorSettings {
  readonly image: string;
  /** A disk for each collector. */
  readonly disks: readonly Disk[];
  readonly traces: Endpoint<'otlp-grpc'>;
  readonly logs: Endpoint<'loki'>;
  readonly metricStore: Endpoint<'prometheus'>;
}

/** OpenTelemetry Collectors, which receive OTLP and send traces, logs and metrics to their stores. */
export class OtelCollector extends Chart {
  /** Seconds that it needs to stop without losing data. */
  static readonly minimumGrace = 30;
  readonly grpc: Endpoint<'otlp-grpc'>;
  readonly http: Endpoint<'otlp-http'>;
  readonly metrics: ScrapeTarget;

  constructor(scope: Construct, id: string, shared: Shared, props: OtelCollectorProps) {
    super(scope, id, shared);
    const component = new Component(this, id, shared, { role: 'telemetry', image: props.image });
    const service = component.serve({ ...OTLP, ...METRICS, ...HEALTH });
    // Prometheus scrapes every pod, ready or not.
    const headless = component.serve(METRICS, { name: `${id}-pods`, headless: true, publishNotReadyAddresses: true });

    const traces = component.connect(props.traces);
    const logs = component.connect(props.logs);
    const metricStore = component.connect(props.metricStore);
    const { debug } = props;

    const largest = LARGEST_REQUEST.toKibibytes() * 1024;
    const queue = queueFile(props.queue);
    // A full queue refuses new data, which the senders keep. Accepted data is retried until the store accepts it.
    const delivery = (batch?: object) => ({
      sending_queue: { storage: 'file_storage', sizer: 'bytes', queue_size: queue.capacity, num_consumers: 4, ...(batch && { batch }) },
      retry_on_failure: { max_elapsed_time: '0s' },
    });
    const inBytes = delivery({ sizer: 'bytes', min_size: largest / 4, max_size: largest });
    // Splits requests but does not merge them: the size of Loki's push depends on the number of its records.
    const inRecords = delivery({ sizer: 'items', min_size: 1, max_size: MAX_PUSH_RECORDS });
    // Without suffixes, the metrics have the names in the Collector's documentation in every release.
    const prometheusReader = { host: '0.0.0.0', port: METRICS.metrics, without_type_suffix: true, without_units: true };
    const pipeline = (exporter: string) => ({
      receivers: ['otlp'],
      processors: ['memory_limiter'],
      exporters: [exporter, ...(debug ? ['debug'] : [])],
    });
    const file = configMap(component, () => ({
      'collector.yaml': yaml({
        receivers: {
          otlp: {
            protocols: {
              grpc: { endpoint: `0.0.0.0:${OTLP['otlp-grpc']}`, max_recv_msg_size_mib: LARGEST_REQUEST.toMebibytes() },
              http: { endpoint: `0.0.0.0:${OTLP['otlp-http']}`, max_request_body_size: largest },
            },
          },
        },
        processors: { memory_limiter: { check_interval: '1s', limit_percentage: 80, spike_limit_percentage: 25 } },
        exporters: {
          'otlp_grpc/tempo': { endpoint: traces, tls: { insecure: true }, ...inBytes },
          'otlp_http/loki': { endpoint: `http://${logs}/otlp`, ...inRecords },
          // Not batched: Prometheus refuses whole requests, so one sender with a wrong clock must not lose the points of others.
          'otlp_http/prometheus': { endpoint: `http://${metricStore}/api/v1/otlp`, ...delivery() },
          ...(debug && { debug: { verbosity: debug } }),
        },
        extensions: {
          health_check: { endpoint: `0.0.0.0:${HEALTH.health}` },
          file_storage: {
            directory: QUEUE,
            create_directory: true,
            max_size: queue.file,
            // Renames a file that a crash corrupted. Otherwise every later start fails.
            recreate: true,
            compaction: {
              on_rebound: true,
              directory: QUEUE,
              cleanup_on_start: true,
              rebound_needed_threshold_mib: Math.floor(queue.file / 2 ** 22),
            },
          },
        },
        service: {
          extensions: ['health_check', 'file_storage'],
          telemetry: {
            metrics: { level: 'normal', readers: [{ pull: { exporter: { prometheus: prometheusReader } } }] },
          },
          pipelines: { traces: pipeline('otlp_grpc/tempo'), logs: pipeline('otlp_http/loki'), metrics: pipeline('otlp_http/prometheus') },
        },
      }),
    }));

    deploymentPerDisk(component, props.disks, (disk) => ({
      priority: 'ingest',
      // Only requests in progress must finish; the queue stays on the disk.
      grace: Duration.seconds(60),
      containers: [
        {
          name: 'otel-collector',
          image: props.image,
          args: ['--config=/etc/otel-collector/collector.yaml'],
          env: goMemoryLimit(props.resources.memory),
          ports: { ...OTLP, ...METRICS, ...HEALTH },
          resources: props.resources,
          mounts: [file.mount('/etc/otel-collector'), disk.mount('/var/lib/otelcol')],
          readiness: http('/', 'health'),
          liveness: tcp('health'),
        },
      ],
    }));

    this.grpc = service.endpoints['otlp-grpc'];
    this.http = service.endpoints['otlp-http'];
    this.metrics = { endpoint: headless.endpoints.metrics, dnsDiscovery: true };
  }
}

/**
 * Size of a queue's file and of its content, in bytes. Each of the three queues has a file of 30 % of the disk; the rest is for the file
 * that a compaction writes. Half of each file is for the database's own pages.
 */
function queueFile(disk: Size): { readonly file: number; readonly capacity: number } {
  const file = Math.floor(disk.toMebibytes() * 0.3) * 2 ** 20;
  return { file, capacity: file / 2 };
}
