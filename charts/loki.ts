import { Chart, Duration, Size } from 'cdk8s';
import type { Construct } from 'constructs';
import { Component, type Endpoint, type Shared } from '../lib/component.ts';
import { configMap, yaml } from '../lib/config.ts';
import { emptyDir, volumeClaimTemplate } from '../lib/disk.ts';
import { goMemoryLimit, http, type Resources, tcp } from '../lib/pod.ts';
import { BUCKET_ENV_REASON, type Bucket, bucketEnv, bucketKeys, endpointOf } from '../lib/s3.ts';
import type { ScrapeTarget } from '../lib/scrape-target.ts';
import type { SecretRef } from '../lib/secret.ts';
import { LARGEST_ATTRIBUTES, LARGEST_PUSH, LARGEST_REQUEST, MAX_DELAY } from '../lib/telemetry.ts';
import { statefulSet } from '../lib/workload.ts';
import { lokiMemory } from './loki/memory.ts';

const PORTS = { loki: 3100 };

/**
 * Resource attributes that become index labels. Loki's default adds the pod and the process, so that every restart creates new streams:
 * many small chunks, and eventually the limit of 5000 streams. Both remain searchable as structured metadata.
 */
const INDEX_LABELS = [
  ...['service.name', 'service.namespace', 'deployment.environment.name', 'k8s.cluster.name', 'k8s.namespace.name', 'k8s.container.name'],
  ...['k8s.deployment.name', 'k8s.statefulset.name', 'k8s.daemonset.name', 'k8s.cronjob.name'],
];

export interface LokiSettings {
  readonly resources: Resources;
  /** Disk of the write-ahead log and the index and, without a bucket, of the chunks. */
  readonly disk: Size;
  /** How long lines are kept. */
  readonly retention: Duration;
  /** Object storage for chunks and index. @default - the disk */
  readonly bucket?: Bucket;
}

interface LokiProps extends LokiSettings {
  readonly image: string;
  readonly bucketSecret: SecretRef<'access-key' | 'secret-key'>;
}

/** Loki with all components in one process. */
export class Loki extends Chart {
  /** Seconds that it needs to stop without losing data. */
  static readonly minimumGrace = 300;
  readonly loki: Endpoint<'loki'>;
  readonly metrics: ScrapeTarget;

  constructor(scope: Construct, id: string, shared: Shared, props: LokiProps) {
    super(scope, id, shared);
    const component = new Component(this, id, shared, { role: 'logging', image: props.image });
    const service = component.serve(PORTS, { headless: true });
    const { bucket } = props;
    if (bucket) component.connectExternal(bucket.endpoint);
    const store = bucket ? 's3' : 'filesystem';
    const memory = lokiMemory(props.resources.memory);
    const cache = (megabytes: number) => ({ embedded_cache: { enabled: true, max_size_mb: megabytes } });
    const push = LARGEST_PUSH.toMebibytes();

    const file = configMap(component, () => ({
      'loki.yaml': yaml({
        auth_enabled: false,
        analytics: { reporting_enabled: false },
        // The components use gRPC even within the process: it would refuse a larger push, and the Collector would retry forever.
        server: {
          http_listen_port: PORTS.loki,
          grpc_server_max_recv_msg_size: 2 * push * 2 ** 20,
          grpc_server_max_send_msg_size: 2 * push * 2 ** 20,
        },
        distributor: { otlp_config: { default_resource_attributes_as_index_labels: INDEX_LABELS } },
        common: {
          path_prefix: '/loki',
          replication_factor: 1,
          // By default, Loki does not start in a pod without an interface eth0 or en0 (loki#16246).
          instance_addr: '127.0.0.1',
          ring: { kvstore: { store: 'inmemory' } },
          storage: bucket ? { s3: chunks(bucket) } : { filesystem: { chunks_directory: '/loki/chunks', rules_directory: '/loki/rules' } },
        },
        schema_config: {
          // Immutable: Loki reads data with the schema of its date. Append a new schema as a second entry with a later date.
          configs: [{ from: '2024-04-01', store: 'tsdb', object_store: store, schema: 'v13', index: { prefix: 'index_', period: '24h' } }],
        },
        ingester: {
          wal: { replay_memory_ceiling: `${memory.replay}MB` },
          // Loki accepts lines that are older than the newest of their stream by up to half of this.
          max_chunk_age: `${2 * MAX_DELAY.toHours()}h`,
        },
        chunk_store_config: { chunk_cache_config: cache(memory.chunkCache) },
        // Also the size of the caches of statistics, volumes, series and labels.
        query_range: { results_cache: { cache: cache(memory.resultCache) } },
        limits_config: {
          retention_period: `${props.retention.toHours()}h`,
          ingestion_rate_mb: push,
          // Loki refuses a push above the burst for ever.
          ingestion_burst_size_mb: 2 * push,
          max_line_size: `${LARGEST_REQUEST.toMebibytes()}MB`,
          max_structured_metadata_size: `${LARGEST_ATTRIBUTES.toKibibytes()}KB`,
          // Loki's default is a week.
          reject_old_samples_max_age: `${Math.max(168, MAX_DELAY.toHours())}h`,
          // Loki's default is 721 hours.
          max_query_length: `${Math.max(721, props.retention.toHours() + 1)}h`,
        },
        // Retention is enforced only where the compactor has it enabled.
        compactor: { working_directory: '/loki/compactor', retention_enabled: true, delete_request_store: store },
      }),
    }));

    statefulSet(component, {
      service,
      priority: 'ingest',
      // Loki does not flush when it stops: its write-ahead log has the lines in memory.
      grace: Duration.minutes(5),
      ...(bucket && { secretEnvReason: BUCKET_ENV_REASON }),
      containers: [
        {
          name: 'loki',
          image: props.image,
          args: ['-config.file=/etc/loki/loki.yaml', ...(bucket ? ['-config.expand-env=true'] : [])],
          env: { ...goMemoryLimit(props.resources.memory), ...(bucket && bucketEnv(props.bucketSecret)) },
          ports: PORTS,
          resources: props.resources,
          mounts: [
            file.mount('/etc/loki'),
            volumeClaimTemplate('/loki', 'data', props.disk, shared),
            emptyDir('/tmp', 'tmp', Size.mebibytes(64)),
          ],
          startup: { ...http('/ready', 'loki'), periodSeconds: 5, failureThreshold: 120 },
          readiness: http('/ready', 'loki'),
          liveness: tcp('loki'),
        },
      ],
    });

    this.loki = service.endpoints.loki;
    this.metrics = { endpoint: service.endpoints.loki };
  }
}

function chunks(bucket: Bucket): object {
  const { name, region, insecure = false, pathStyle = false } = bucket;
  return {
    bucketnames: name,
    endpoint: endpointOf(bucket),
    region,
    insecure,
    s3forcepathstyle: pathStyle,
    access_key_id: bucketKeys.access_key,
    secret_access_key: bucketKeys.secret_key,
  };
}
