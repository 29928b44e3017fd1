import { Chart, Duration, Size } from 'cdk8s';
import type { Construct } from 'constructs';
import { Component, type Endpoint, type Shared } from '../lib/component.ts';
import { configMap, yaml } from '../lib/config.ts';
import { type Disk, emptyDir } from '../lib/disk.ts';
import { goMemoryLimit, http, type Resources, tcp } from '../lib/pod.ts';
import { BUCKET_ENV_REASON, type Bucket, bucketEnv, bucketKeys, endpointOf } from '../lib/s3.ts';
import type { ScrapeTarget } from '../lib/scrape-target.ts';
import type { SecretRef } from '../lib/secret.ts';
import { durationBuckets, LARGEST_REQUEST } from '../lib/telemetry.ts';
import { deployment } from '../lib/workload.ts';
import { tempoMemory } from './tempo/memory.ts';

const PORTS = { tempo: 3200, 'otlp-grpc': 4317, 'otlp-http': 4318 };

export interface TempoSettings {
  readonly resources: Resources;
  /** Disk of the write-ahead log and, without a bucket, of the blocks. */
  readonly disk: Size;
  /** How long traces are kept. */
  readonly retention: Duration;
  /** Maximum number of series of span metrics. Above it, new series are added up in one with the label `metric_overflow`. */
  readonly maxSeries: number;
  /** Object storage for the blocks. @default - the disk */
  readonly bucket?: Bucket;
}

interface TempoProps extends TempoSettings {
  readonly image: string;
  readonly storage: Disk;
  readonly metricStore: Endpoint<'prometheus'>;
  /** Upper end of the duration histograms. */
  readonly longestTask: Duration;
  readonly bucketSecret: SecretRef<'access-key' | 'secret-key'>;
}

/** Tempo 3 with all components in one process, which allows only one pod. */
export class Tempo extends Chart {
  /** Seconds that it needs to stop without losing data. */
  static readonly minimumGrace = 300;
  readonly tempo: Endpoint<'tempo'>;
  readonly spans: Endpoint<'otlp-grpc'>;
  readonly metrics: ScrapeTarget;

  constructor(scope: Construct, id: string, shared: Shared, props: TempoProps) {
    super(scope, id, shared);
    const component = new Component(this, id, shared, { role: 'tracing', image: props.image });
    const service = component.serve(PORTS);
    const metricStore = component.connect(props.metricStore);
    const { bucket } = props;
    const memory = tempoMemory(props.resources.memory);
    // Maximum bytes per second, and maximum size of a trace: eight batches.
    const burst = 8 * LARGEST_REQUEST.toKibibytes() * 1024;
    const buckets = durationBuckets(0.005, props.longestTask);
    // Tempo's default is a week.
    const searchable = `${Math.max(168, props.retention.toHours())}h`;
    if (bucket) component.connectExternal(bucket.endpoint);

    const file = configMap(component, () => ({
      'tempo.yaml': yaml({
        // Lets Grafana stream search results over the HTTP port.
        stream_over_http_enabled: true,
        server: { http_listen_port: PORTS.tempo },
        usage_report: { reporting_enabled: false },
        distributor: {
          receivers: {
            otlp: {
              protocols: {
                // Tempo's default endpoint is localhost. It refuses larger messages permanently, and the Collector drops them.
                grpc: { endpoint: `0.0.0.0:${PORTS['otlp-grpc']}`, max_recv_msg_size_mib: 4 * LARGEST_REQUEST.toMebibytes() },
                http: { endpoint: `0.0.0.0:${PORTS['otlp-http']}` },
              },
            },
          },
        },
        storage: {
          trace: {
            wal: { path: '/var/tempo/wal' },
            block: { parquet_row_group_size_bytes: memory.rowGroup },
            ...(bucket ? { backend: 's3', s3: blocks(bucket) } : { backend: 'local', local: { path: '/var/tempo/blocks' } }),
          },
        },
        // Tempo 3 has no compactor section; it reads the retention here.
        backend_worker: { compaction: { block_retention: `${props.retention.toHours()}h` } },
        // A job of a deleted pod blocks all jobs of its kind, such as retention, until it counts as dead (default: 24 h).
        backend_scheduler: { work: { dead_job_timeout: '1h' } },
        // Above this limit, senders wait and keep their spans.
        live_store: { max_live_traces_bytes: memory.liveTraces },
        querier: { max_concurrent_queries: memory.queries },
        query_frontend: { search: { max_duration: searchable }, metrics: { max_duration: searchable } },
        metrics_generator: {
          // Older spans are stored but not counted: after a longer outage, the span metrics have a gap.
          metrics_ingestion_time_range_slack: '5m',
          processor: { span_metrics: { histogram_buckets: buckets }, service_graphs: { histogram_buckets: buckets } },
          registry: { external_labels: { source: 'tempo', cluster: shared.namespace } },
          storage: {
            path: '/var/tempo/generator/wal',
            remote_write: [{ url: `http://${metricStore}/api/v1/write`, send_exemplars: true }],
          },
        },
        overrides: {
          defaults: {
            // Tempo refuses spans above the rate, which senders retry, but silently drops those above its other limits. The number of
            // traces is therefore unlimited, and max_live_traces_bytes limits their memory.
            ingestion: { rate_strategy: 'local', rate_limit_bytes: burst, burst_size_bytes: burst, max_traces_per_user: 0 },
            global: { max_bytes_per_trace: burst },
            // By default, the generator has no processors.
            metrics_generator: { processors: ['span-metrics', 'service-graphs'], max_active_series: props.maxSeries },
          },
        },
      }),
    }));

    deployment(component, {
      strategy: 'Recreate',
      priority: 'ingest',
      // Tempo writes its memory to the write-ahead log, and uploads it after the next start.
      grace: Duration.minutes(5),
      ...(bucket && { secretEnvReason: BUCKET_ENV_REASON }),
      containers: [
        {
          name: 'tempo',
          image: props.image,
          args: ['-config.file=/etc/tempo/tempo.yaml', ...(bucket ? ['-config.expand-env=true'] : [])],
          env: { ...goMemoryLimit(props.resources.memory), ...(bucket && bucketEnv(props.bucketSecret)) },
          ports: PORTS,
          resources: props.resources,
          mounts: [file.mount('/etc/tempo'), props.storage.mount('/var/tempo'), emptyDir('/tmp', 'tmp', Size.mebibytes(64))],
          // Replay of the write-ahead log after a crash.
          startup: { ...http('/ready', 'tempo'), periodSeconds: 5, failureThreshold: 120 },
          readiness: http('/ready', 'tempo'),
          liveness: tcp('tempo'),
        },
      ],
    });

    this.tempo = service.endpoints.tempo;
    this.spans = service.endpoints['otlp-grpc'];
    this.metrics = { endpoint: service.endpoints.tempo };
  }
}

function blocks(bucket: Bucket): object {
  const { name, region, insecure = false, pathStyle = false } = bucket;
  return { bucket: name, endpoint: endpointOf(bucket), region, insecure, forcepathstyle: pathStyle, ...bucketKeys };
}
