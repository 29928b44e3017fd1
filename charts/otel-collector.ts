import { Chart, Duration, type Size } from 'cdk8s';
import type { Construct } from 'constructs';
import { config, yaml } from '../lib/config.ts';
import type { Disk } from '../lib/disk.ts';
import { type Endpoint, Peer, type Shared } from '../lib/peer.ts';
import { goMemory, http, type Resources, tcp } from '../lib/pod.ts';
import type { Target } from '../lib/target.ts';
import { deployment } from '../lib/workload.ts';

const OTLP = { 'otlp-grpc': 4317, 'otlp-http': 4318 };
const METRICS = { metrics: 8888 };
const HEALTH = { health: 13133 };

interface Common {
  readonly resources: Resources;
  /** Prints what passes through to the log. @default - nothing */
  readonly debug?: 'basic' | 'normal' | 'detailed';
}

/** Either several that queue in memory, or one whose queue is on a disk: an RWO disk has one mounter. */
export type OtelCollectorSettings = Common &
  (
    | { readonly replicas: number; readonly queue?: undefined }
    | { readonly replicas?: undefined /** Disk of the queue. */; readonly queue: Size }
  );

interface OtelCollectorProps {
  readonly image: string;
  readonly queueDisk?: Disk;
  readonly traces: Endpoint<'otlp-grpc'>;
  readonly logs: Endpoint<'loki'>;
  readonly metricStore: Endpoint<'prometheus'>;
}

/** Takes OTLP and passes on traces, logs and metrics, each to its store. */
export class OtelCollector extends Chart {
  readonly grpc: Endpoint<'otlp-grpc'>;
  readonly http: Endpoint<'otlp-http'>;
  readonly metrics: Target;

  constructor(scope: Construct, id: string, shared: Shared, props: OtelCollectorSettings & OtelCollectorProps) {
    super(scope, id, shared);
    const peer = new Peer(this, id, shared, { component: 'telemetry', image: props.image });
    const service = peer.serve({ ...OTLP, ...METRICS, ...HEALTH });
    // Each pod counts for itself, and one address for all would answer with another one each time.
    const each = peer.serve(METRICS, { name: `${id}-pods`, headless: true });

    const traces = peer.connect(props.traces);
    const logs = peer.connect(props.logs);
    const metricStore = peer.connect(props.metricStore);
    const { queueDisk, debug } = props;

    // Batched, bounded, and tried until it is taken: what does not fit is refused at the door, and the sender keeps it.
    const delivery = {
      sending_queue: { batch: {}, queue_size: 1000, ...(queueDisk && { storage: 'file_storage' }) },
      retry_on_failure: { max_elapsed_time: '0s' },
    };
    // Without suffixes the names are those of the collector's own documentation, whatever its release adds by default.
    const prometheusReader = { host: '0.0.0.0', port: METRICS.metrics, without_type_suffix: true, without_units: true };
    const pipeline = (exporter: string) => ({
      receivers: ['otlp'],
      processors: ['memory_limiter'],
      exporters: [exporter, ...(debug ? ['debug'] : [])],
    });
    const file = config(peer, () => ({
      'collector.yaml': yaml({
        receivers: {
          otlp: {
            protocols: {
              grpc: { endpoint: `0.0.0.0:${OTLP['otlp-grpc']}` },
              http: { endpoint: `0.0.0.0:${OTLP['otlp-http']}` },
            },
          },
        },
        processors: { memory_limiter: { check_interval: '1s', limit_percentage: 80, spike_limit_percentage: 25 } },
        exporters: {
          'otlp_grpc/tempo': { endpoint: traces, tls: { insecure: true }, ...delivery },
          'otlp_http/loki': { endpoint: `http://${logs}/otlp`, ...delivery },
          'otlp_http/prometheus': { endpoint: `http://${metricStore}/api/v1/otlp`, ...delivery },
          ...(debug && { debug: { verbosity: debug } }),
        },
        extensions: {
          health_check: { endpoint: `0.0.0.0:${HEALTH.health}` },
          ...(queueDisk && { file_storage: { directory: '/var/lib/otelcol/queue', create_directory: true } }),
        },
        service: {
          extensions: ['health_check', ...(queueDisk ? ['file_storage'] : [])],
          telemetry: {
            metrics: { level: 'normal', readers: [{ pull: { exporter: { prometheus: prometheusReader } } }] },
          },
          pipelines: { traces: pipeline('otlp_grpc/tempo'), logs: pipeline('otlp_http/loki'), metrics: pipeline('otlp_http/prometheus') },
        },
      }),
    }));

    deployment(peer, {
      ...(props.replicas !== undefined && { replicas: props.replicas }),
      replace: queueDisk ? 'stop' : 'overlap',
      tier: 'ingest',
      // Handing on what is queued in memory.
      grace: Duration.seconds(60),
      containers: [
        {
          name: 'otel-collector',
          image: props.image,
          args: ['--config=/etc/otel-collector/collector.yaml'],
          env: goMemory(props.resources.memory),
          ports: { ...OTLP, ...METRICS, ...HEALTH },
          resources: props.resources,
          mounts: [file.at('/etc/otel-collector'), ...(queueDisk ? [queueDisk.at('/var/lib/otelcol')] : [])],
          readiness: http('/', 'health'),
          liveness: tcp('health'),
        },
      ],
    });

    this.grpc = service.at['otlp-grpc'];
    this.http = service.at['otlp-http'];
    this.metrics = { endpoint: each.at.metrics, discover: true };
  }
}
