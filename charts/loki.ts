import { Chart, Duration, Size } from 'cdk8s';
import type { Construct } from 'constructs';
import { config, yaml } from '../lib/config.ts';
import { ownDisk, scratch } from '../lib/disk.ts';
import { type Endpoint, Peer, type Shared } from '../lib/peer.ts';
import { goMemory, http, type Resources, tcp } from '../lib/pod.ts';
import { type Bucket, bucketEnv, bucketKeys, endpointOf } from '../lib/s3.ts';
import type { SecretRef } from '../lib/secret.ts';
import type { Target } from '../lib/target.ts';
import { statefulSet } from '../lib/workload.ts';

const PORTS = { loki: 3100 };

export interface LokiSettings {
  readonly resources: Resources;
  /** The write-ahead log and the index, and the chunks where there is no bucket. */
  readonly disk: Size;
  /** How long a line can be found. */
  readonly retention: Duration;
  /** Object storage for chunks and index. @default - they lie on the disk */
  readonly bucket?: Bucket;
}

interface LokiProps extends LokiSettings {
  readonly image: string;
  readonly bucketSecret: SecretRef<'access-key' | 'secret-key'>;
}

/** Loki, all its parts in one process. */
export class Loki extends Chart {
  readonly loki: Endpoint<'loki'>;
  readonly metrics: Target;

  constructor(scope: Construct, id: string, shared: Shared, props: LokiProps) {
    super(scope, id, shared);
    const peer = new Peer(this, id, shared, { component: 'logging', image: props.image });
    const service = peer.serve(PORTS, { headless: true });
    const { bucket } = props;
    if (bucket) peer.leave(bucket.endpoint);
    const store = bucket ? 's3' : 'filesystem';

    const file = config(peer, () => ({
      'loki.yaml': yaml({
        auth_enabled: false,
        analytics: { reporting_enabled: false },
        server: { http_listen_port: PORTS.loki },
        common: {
          path_prefix: '/loki',
          replication_factor: 1,
          ring: { kvstore: { store: 'inmemory' } },
          storage: bucket ? { s3: chunks(bucket) } : { filesystem: { chunks_directory: '/loki/chunks', rules_directory: '/loki/rules' } },
        },
        schema_config: {
          // Frozen: data is read by the schema of its day. A new one is a second entry with a later date.
          configs: [{ from: '2024-04-01', store: 'tsdb', object_store: store, schema: 'v13', index: { prefix: 'index_', period: '24h' } }],
        },
        // Replaying the log must not need more memory than there is.
        ingester: { wal: { replay_memory_ceiling: `${Math.floor(props.resources.memory.toMebibytes() / 2)}MB` } },
        limits_config: { retention_period: `${props.retention.toHours()}h` },
        // Without the compactor's word, a retention is a wish.
        compactor: { working_directory: '/loki/compactor', retention_enabled: true, delete_request_store: store },
      }),
    }));

    statefulSet(peer, {
      service,
      tier: 'ingest',
      // Flushing the chunks in memory.
      grace: Duration.minutes(5),
      containers: [
        {
          name: 'loki',
          image: props.image,
          args: ['-config.file=/etc/loki/loki.yaml', ...(bucket ? ['-config.expand-env=true'] : [])],
          env: { ...goMemory(props.resources.memory), ...(bucket && bucketEnv(props.bucketSecret)) },
          ports: PORTS,
          resources: props.resources,
          mounts: [file.at('/etc/loki'), ownDisk('/loki', 'data', props.disk, shared), scratch('/tmp', 'tmp', Size.mebibytes(64))],
          startup: { ...http('/ready', 'loki'), periodSeconds: 5, failureThreshold: 120 },
          readiness: http('/ready', 'loki'),
          liveness: tcp('loki'),
        },
      ],
    });

    this.loki = service.at.loki;
    this.metrics = { endpoint: service.at.loki };
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
