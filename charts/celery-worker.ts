import { Chart, Duration } from 'cdk8s';
import { k8s } from 'cdk8s-plus-27';
import type { Construct } from 'constructs';
import { Component, type Shared } from '../lib/component.ts';
import type { Resources } from '../lib/pod.ts';
import { deployment } from '../lib/workload.ts';
import { type AppProps, appEnv, appMounts, celeryArgs, livenessProbe, readinessProbe, SECRET_ENV_REASON } from './celery/app.ts';

/** Workers that consume the same queues. */
interface WorkerPool {
  /** The Deployment is `celery-worker-NAME`: renaming a pool replaces it. */
  readonly name: string;
  /** Queues that these workers consume. */
  readonly queues: readonly [string, ...string[]];
  /** Number of workers. */
  readonly replicas: number;
  /** Maximum number of workers; a HorizontalPodAutoscaler adds them when the CPU is busy. @default - no autoscaling */
  readonly maxReplicas?: number;
  /** Number of processes in each worker. */
  readonly concurrency: number;
  readonly resources: Resources;
}

export interface CeleryWorkerSettings {
  readonly pools: readonly [WorkerPool, ...WorkerPool[]];
}

/** The app's Celery workers: a Deployment for each pool. */
export class CeleryWorker extends Chart {
  constructor(scope: Construct, id: string, shared: Shared, props: CeleryWorkerSettings & AppProps) {
    super(scope, id, shared);
    const component = new Component(this, id, shared, { role: 'worker', image: props.image });
    const longest = props.longestTask.toSeconds();
    const env = {
      ...appEnv(component, props),
      // After SIGTERM, running tasks have this long to finish; the others return to the queue.
      PLATFORM_SOFT_SHUTDOWN_SECONDS: `${longest}`,
      PLATFORM_VISIBILITY_TIMEOUT_SECONDS: `${props.visibilityTimeout?.toSeconds() ?? Math.max(3600, 2 * longest)}`,
    };
    const mounts = appMounts(component);

    for (const pool of props.pools) {
      const name = `${id}-${pool.name}`;
      deployment(component, {
        name,
        replicas: pool.replicas,
        autoscaled: pool.maxReplicas !== undefined,
        strategy: 'RollingUpdate',
        priority: 'work',
        // The soft shutdown, and 30 s to return unfinished tasks to the queue.
        grace: Duration.seconds(longest + 30),
        secretEnvReason: SECRET_ENV_REASON,
        containers: [
          {
            name: 'worker',
            image: props.image,
            args: celeryArgs(
              ...['worker', '--loglevel=info', '--include=platform_probes', '--task-events', '--without-gossip', '--without-mingle'],
              ...[`--queues=${pool.queues.join(',')}`, `--concurrency=${pool.concurrency}`, `--hostname=${pool.name}@%h`],
            ),
            env,
            resources: pool.resources,
            mounts,
            startup: { ...livenessProbe(60), periodSeconds: 5, failureThreshold: 60 },
            readiness: readinessProbe(),
            liveness: livenessProbe(60),
          },
        ],
      });
      if (pool.maxReplicas !== undefined) autoscale(component, name, pool.replicas, pool.maxReplicas);
    }
  }
}

function autoscale(component: Component, name: string, minReplicas: number, maxReplicas: number): void {
  new k8s.KubeHorizontalPodAutoscalerV2(component, `scale-${name}`, {
    metadata: component.metadata(name, name),
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name },
      minReplicas,
      maxReplicas,
      metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } }],
      // One at a time, because each removed worker finishes its tasks first.
      behavior: { scaleDown: { stabilizationWindowSeconds: 600, policies: [{ type: 'Pods', value: 1, periodSeconds: 300 }] } },
    },
  });
}
