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

/** kombu's options for the connection to the broker. */
const transport = {
  // Each scrape waits for replies of the workers, and kombu then also redelivers tasks unacknowledged for longer than this,
  // an hour by default: leave that to the workers, whose timeout the app may have set. Three years.
  visibility_timeout: 10 ** 8,
  // As for the workers: without them a command waits for ever on a Redis that neither answers nor closes the connection.
  socket_connect_timeout: 5,
  socket_timeout: 15,
  // Events are only received: the kernel has to notice that the other end is gone.
  socket_keepalive: true,
};

export interface CeleryExporterSettings {
  readonly resources: Resources;
}

interface CeleryExporterProps extends CeleryExporterSettings {
  readonly image: string;
  /** The queues that workers take from: counted from the start, whether a worker was ever seen or not. */
  readonly queues: readonly string[];
  /** The longest task: where the histogram of run times ends. */
  readonly longestTask: Duration;
  readonly broker: RedisDatabase;
}

/** Counts tasks, workers and queues from Celery's events: workers have no metrics port of their own. */
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
      // Two would count every task twice.
      strategy: 'Recreate',
      priority: 'view',
      grace: Duration.seconds(10),
      secretEnvReason: 'celery-exporter reads the URL of the broker from a variable or from an argument',
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
            // Without it the exporter ends when the broker is away.
            CE_RETRY_INTERVAL: '5',
            CE_QUEUES: props.queues.join(','),
            CE_BUCKETS: durationBuckets(0.05, props.longestTask).join(','),
            // A `_created` series beside each counter and histogram would make the page twice as long.
            PROMETHEUS_DISABLE_CREATED_SERIES: 'true',
          },
          ports: PORTS,
          resources: props.resources,
          // waitress 3.0 writes a page of more than 1 MiB to a temporary file.
          mounts: [emptyDir('/tmp', 'tmp', Size.mebibytes(64))],
          // Once 0.12.2 has reached its broker, /health answers 200 for ever.
          readiness: http('/health', 'metrics'),
          // Releases without celery-exporter#365 may answer 500 to every scrape after the broker was lost: only a restart helps.
          // A scrape takes 2 s. The probe may fail for five minutes, so that a restart of Redis does not restart the exporter.
          liveness: { ...http('/metrics', 'metrics'), periodSeconds: 60, timeoutSeconds: 15, failureThreshold: 5 },
        },
      ],
    });

    this.metrics = { endpoint: service.endpoints.metrics };
  }
}
