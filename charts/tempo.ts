import { Chart, Duration, Size } from 'cdk8s';
import type { Construct } from 'constructs';
import { config, yaml } from '../lib/config.ts';
import { type Disk, scratch } from '../lib/disk.ts';
import { type Endpoint, Peer, type Shared } from '../lib/peer.ts';
import { goMemory, http, type Resources, tcp } from '../lib/pod.ts';
import { type Bucket, bucketEnv, bucketKeys, endpointOf } from '../lib/s3.ts';
import type { SecretRef } from '../lib/secret.ts';
import type { Target } from '../lib/target.ts';
import { deployment } from '../lib/workload.ts';

const PORTS = { tempo: 3200, 'otlp-grpc': 4317, 'otlp-http': 4318 };

export interface TempoSettings {
  readonly resources: Resources;
  /** What is not yet in a block, and the blocks themselves where there is no bucket. */
  readonly disk: Size;
  /** How long a trace can be found. */
  readonly retention: Duration;
  /** Series that the metrics generator may make of spans; beyond, new ones are dropped and counted. */
  readonly maxSeries: number;
  /** Object storage for the blocks. @default - they lie on the disk */
  readonly bucket?: Bucket;
}

interface TempoProps extends TempoSettings {
  readonly image: string;
  readonly storage: Disk;
  readonly metricStore: Endpoint<'prometheus'>;
  readonly bucketSecret: SecretRef<'access-key' | 'secret-key'>;
}

/** Tempo 3, all its parts in one process: exactly one pod. */
export class Tempo extends Chart {
  readonly tempo: Endpoint<'tempo'>;
  readonly spans: Endpoint<'otlp-grpc'>;
  readonly metrics: Target;

  constructor(scope: Construct, id: string, shared: Shared, props: TempoProps) {
    super(scope, id, shared);
    const peer = new Peer(this, id, shared, { component: 'tracing', image: props.image });
    const service = peer.serve(PORTS);
    const metricStore = peer.connect(props.metricStore);
    const { bucket } = props;
    if (bucket) peer.leave(bucket.endpoint);

    const file = config(peer, () => ({
      'tempo.yaml': yaml({
        // Grafana streams search results through the HTTP port.
        stream_over_http_enabled: true,
        server: { http_listen_port: PORTS.tempo },
        usage_report: { reporting_enabled: false },
        distributor: {
          receivers: {
            otlp: {
              protocols: {
                // Without an endpoint Tempo listens on localhost only.
                grpc: { endpoint: `0.0.0.0:${PORTS['otlp-grpc']}` },
                http: { endpoint: `0.0.0.0:${PORTS['otlp-http']}` },
              },
            },
          },
        },
        storage: {
          trace: {
            wal: { path: '/var/tempo/wal' },
            ...(bucket ? { backend: 's3', s3: blocks(bucket) } : { backend: 'local', local: { path: '/var/tempo/blocks' } }),
          },
        },
        // The compactor of Tempo 2 is gone: this is where 3 reads the retention from.
        backend_worker: { compaction: { block_retention: `${props.retention.toHours()}h` } },
        metrics_generator: {
          registry: { external_labels: { source: 'tempo', cluster: shared.namespace } },
          storage: {
            path: '/var/tempo/generator/wal',
            remote_write: [{ url: `http://${metricStore}/api/v1/write`, send_exemplars: true }],
          },
        },
        // Unless it names its processors, the generator makes nothing of all this.
        overrides: {
          defaults: { metrics_generator: { processors: ['span-metrics', 'service-graphs'], max_active_series: props.maxSeries } },
        },
      }),
    }));

    deployment(peer, {
      replace: 'stop',
      tier: 'ingest',
      // Flushing what is in memory may take five minutes to a slow bucket.
      grace: Duration.minutes(5),
      containers: [
        {
          name: 'tempo',
          image: props.image,
          args: ['-config.file=/etc/tempo/tempo.yaml', ...(bucket ? ['-config.expand-env=true'] : [])],
          env: { ...goMemory(props.resources.memory), ...(bucket && bucketEnv(props.bucketSecret)) },
          ports: PORTS,
          resources: props.resources,
          mounts: [file.at('/etc/tempo'), props.storage.at('/var/tempo'), scratch('/tmp', 'tmp', Size.mebibytes(64))],
          // Replaying the write-ahead log of a crash.
          startup: { ...http('/ready', 'tempo'), periodSeconds: 5, failureThreshold: 120 },
          readiness: http('/ready', 'tempo'),
          liveness: tcp('tempo'),
        },
      ],
    });

    this.tempo = service.at.tempo;
    this.spans = service.at['otlp-grpc'];
    this.metrics = { endpoint: service.at.tempo };
  }
}

function blocks(bucket: Bucket): object {
  const { name, region, insecure = false, pathStyle = false } = bucket;
  return { bucket: name, endpoint: endpointOf(bucket), region, insecure, forcepathstyle: pathStyle, ...bucketKeys };
}
