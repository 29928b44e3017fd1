import type { Size } from 'cdk8s';
import type { Shared } from '../lib/component.ts';
import type { ArangoDBSettings } from './arangodb.ts';
import type { AppSettings } from './celery/app.ts';
import type { CeleryBeatSettings } from './celery-beat.ts';
import type { CeleryExporterSettings } from './celery-exporter.ts';
import type { CeleryWorkerSettings } from './celery-worker.ts';
import type { ConsulSettings } from './consul.ts';
import type { ExternalSecretsSettings } from './external-secrets.ts';
import type { GrafanaSettings } from './grafana.ts';
import type { LokiSettings } from './loki.ts';
import type { OtelCollectorSettings } from './otel-collector.ts';
import type { PrometheusSettings } from './prometheus.ts';
import type { BrokerSettings, CacheSettings } from './redis.ts';
import type { SetupSettings } from './setup.ts';
import type { TempoSettings } from './tempo.ts';

/** The images that the charts run: registry/repository:tag, optionally @sha256:digest. */
export type Images = Readonly<
  Record<
    | 'arangodb'
    | 'redis'
    | 'redisExporter'
    | 'consul'
    | 'tempo'
    | 'loki'
    | 'prometheus'
    | 'otelCollector'
    | 'celeryExporter'
    | 'grafana'
    | 'app',
    string
  >
>;

/** Everything that may differ between two installations of the platform. */
export interface Settings {
  readonly shared: Shared;
  readonly images: Images;
  /** Pulls every image through this registry, for air-gapped clusters. @default - from each image's own registry */
  readonly mirror?: string;
  readonly setup: SetupSettings;
  /** Creates the Secrets through the External Secrets Operator. @default - `npm run secrets` or another tool creates them, see docs/secrets.md */
  readonly externalSecrets?: ExternalSecretsSettings;
  readonly arangodb: ArangoDBSettings;
  /** The broker, which never evicts tasks. */
  readonly redis: BrokerSettings;
  /** A separate cache, so that a full one does not affect tasks. @default - database 2 of the broker */
  readonly cache?: CacheSettings;
  readonly consul: ConsulSettings;
  readonly tempo: TempoSettings;
  readonly loki: LokiSettings;
  readonly prometheus: PrometheusSettings;
  readonly otelCollector: OtelCollectorSettings;
  readonly app: AppSettings;
  readonly celeryWorker: CeleryWorkerSettings;
  readonly celeryBeat: CeleryBeatSettings & { /** Disk for the schedule. */ readonly disk: Size };
  readonly celeryExporter: CeleryExporterSettings;
  readonly grafana: GrafanaSettings;
}
