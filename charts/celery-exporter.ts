import { Chart, Duration } from 'cdk8s';
import type { Construct } from 'constructs';
import { type Endpoint, Peer, type Shared } from '../lib/peer.ts';
import { http, type Resources, tcp } from '../lib/pod.ts';
import type { SecretRef } from '../lib/secret.ts';
import type { Target } from '../lib/target.ts';
import { durationBuckets } from '../lib/telemetry.ts';
import { deployment } from '../lib/workload.ts';

const PORTS = { metrics: 9808 };

export interface CeleryExporterSettings {
  readonly resources: Resources;
}

interface CeleryExporterProps extends CeleryExporterSettings {
  readonly image: string;
  /** The queues that workers take from: counted from the start, whether a worker was ever seen or not. */
  readonly queues: readonly string[];
  /** The longest task: where the histogram of run times ends. */
  readonly longestTask: Duration;
  readonly broker: { readonly endpoint: Endpoint<'redis'>; readonly secret: SecretRef<'password'>; readonly index: number };
}

/** Counts tasks, workers and queues from Celery's events: workers have no metrics port of their own. */
export class CeleryExporter extends Chart {
  readonly metrics: Target;

  constructor(scope: Construct, id: string, shared: Shared, props: CeleryExporterProps) {
    super(scope, id, shared);
    const { broker } = props;
    const peer = new Peer(this, id, shared, { component: 'exporter', image: props.image });
    const service = peer.serve(PORTS);

    deployment(peer, {
      // Two would count every task twice.
      replace: 'stop',
      tier: 'view',
      grace: Duration.seconds(10),
      secretVariables: 'celery-exporter reads the URL of the broker from a variable or from an argument',
      containers: [
        {
          name: 'exporter',
          image: props.image,
          env: {
            CELERY_BROKER_PASSWORD: broker.secret.env('password'),
            CE_BROKER_URL: `redis://:$(CELERY_BROKER_PASSWORD)@${peer.connect(broker.endpoint)}/${broker.index}`,
            CE_PORT: `${PORTS.metrics}`,
            // Without it the exporter ends when the broker is away.
            CE_RETRY_INTERVAL: '5',
            CE_QUEUES: props.queues.join(','),
            CE_BUCKETS: durationBuckets(0.05, props.longestTask).join(','),
          },
          ports: PORTS,
          resources: props.resources,
          readiness: http('/health', 'metrics'),
          liveness: tcp('metrics'),
        },
      ],
    });

    this.metrics = { endpoint: service.at.metrics };
  }
}
