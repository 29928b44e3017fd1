import { Chart, Duration, Size } from 'cdk8s';
import type { Construct } from 'constructs';
import { Component, type Shared } from '../lib/component.ts';
import { emptyDir } from '../lib/disk.ts';
import { http, type Resources } from '../lib/pod.ts';
import type { ScrapeTarget } from '../lib/scrape-target.ts';
import { durationBuckets } from '../lib/telemetry.ts';
import { deployment } from '../lib/workload.ts';
import type { RedisDatabase } from './redis.ts';

const PORTS = { metrics: 9808 };

/** kombu's transport options. */
const transport = {
  // kombu consumers also requeue unacknowledged tasks, which only workers may: three years disable it here.
  visibility_timeout: 10 ** 8,
  // Without timeouts, a command waits forever when Redis hangs.
  socket_connect_timeout: 5,
  socket_timeout: 15,
  // The connection for events only receives, so only TCP keepalive detects that Redis is gone.
  socket_keepalive: true,
};

export interface CeleryExporterSettings {
  readonly resources: Resources;
}

interface CeleryExporterProps extends CeleryExporterSettings {
  readonly image: string;
  /** The queues of all workers: the exporter counts them even when it has seen no worker. */
  readonly queues: readonly string[];
  /** Upper end of the run time histogram. */
  readonly longestTask: Duration;
  readonly broker: RedisDatabase;
}

/** Exports metrics of tasks, workers and queues from Celery's events: workers have no metrics port. */
export class CeleryExporter extends Chart {
  /** Seconds that it needs to stop without losing data. */
  static readonly minimumGrace = 5;
  readonly metrics: ScrapeTarget;

  constructor(scope: Construct, id: string, shared: Shared, props: CeleryExporterProps) {
    super(scope, id, shared);
    const { broker } = props;
    const component = new Component(this, id, shared, { role: 'exporter', image: props.image });
    const service = component.serve(PORTS);

    deployment(component, {
      // Two exporters would count every task twice.
      strategy: 'Recreate',
      priority: 'view',
      grace: Duration.seconds(10),
      secretEnvReason: 'celery-exporter reads the broker URL only from a variable or an argument',
      containers: [
        {
          name: 'exporter',
          image: props.image,
          env: {
            CELERY_BROKER_PASSWORD: broker.secret.env('password'),
            CE_BROKER_URL: `redis://:$(CELERY_BROKER_PASSWORD)@${component.connect(broker.endpoint)}/${broker.index}`,
            CE_PORT: `${PORTS.metrics}`,
            CE_BROKER_TRANSPORT_OPTION: Object.entries(transport)
              .map(([name, value]) => `${name}=${value}`)
              .join(' '),
            // Otherwise the exporter exits when the broker is unavailable.
            CE_RETRY_INTERVAL: '5',
            CE_QUEUES: props.queues.join(','),
            CE_BUCKETS: durationBuckets(0.05, props.longestTask).join(','),
            // `_created` series would double the size of the metrics page.
            PROMETHEUS_DISABLE_CREATED_SERIES: 'true',
          },
          ports: PORTS,
          resources: props.resources,
          // waitress 3.0 writes responses above 1 MiB to a temporary file.
          mounts: [emptyDir('/tmp', 'tmp', Size.mebibytes(64))],
          // In 0.12.2, /health always answers 200 once the broker was reached.
          readiness: http('/health', 'metrics'),
          // Before celery-exporter#365, every scrape may fail after an outage of the broker until the exporter is restarted.
          // A scrape takes 2 s. Five failures, so that a restart of Redis does not restart the exporter.
          liveness: { ...http('/metrics', 'metrics'), periodSeconds: 60, timeoutSeconds: 15, failureThreshold: 5 },
        },
      ],
    });

    this.metrics = { endpoint: service.endpoints.metrics };
  }
}
