import { Chart, Duration } from 'cdk8s';
import { k8s } from 'cdk8s-plus-27';
import type { Construct } from 'constructs';
import { Component, type Shared } from '../lib/component.ts';
import type { Resources } from '../lib/pod.ts';
import { deployment } from '../lib/workload.ts';
import { type AppProps, alive, appEnv, appMounts, celery, ready, SECRET_ENV_REASON } from './celery/app.ts';

/** Workers that take from the same queues. */
interface WorkerPool {
  /** Immutable: the Deployment is called `celery-worker-NAME`. */
  readonly name: string;
  readonly queues: readonly [string, ...string[]];
  readonly replicas: number;
  /** As many as there may be when the CPU is busy. @default - `replicas`, always */
  readonly max?: number;
  /** Processes in each worker. */
  readonly concurrency: number;
  readonly resources: Resources;
}

export interface CeleryWorkerSettings {
  readonly pools: readonly [WorkerPool, ...WorkerPool[]];
}

/** The app's Celery workers, a Deployment for each pool. */
export class CeleryWorker extends Chart {
  constructor(scope: Construct, id: string, shared: Shared, props: CeleryWorkerSettings & AppProps) {
    super(scope, id, shared);
    const component = new Component(this, id, shared, { role: 'worker', image: props.image });
    const longest = props.longestTask.toSeconds();
    const env = {
      ...appEnv(component, props),
      // At SIGTERM running tasks may end; those that take longer than this go back to the queue.
      PLATFORM_SOFT_SHUTDOWN_SECONDS: `${longest}`,
      PLATFORM_VISIBILITY_TIMEOUT_SECONDS: `${props.visibilityTimeout?.toSeconds() ?? Math.max(3600, 2 * longest)}`,
    };
    const mounts = appMounts(component);

    for (const pool of props.pools) {
      const name = `${id}-${pool.name}`;
      deployment(component, {
        name,
        replicas: pool.replicas,
        autoscaled: pool.max !== undefined,
        strategy: 'RollingUpdate',
        priority: 'work',
        // The soft shutdown, then half a minute for giving back what did not end.
        grace: Duration.seconds(longest + 30),
        secretEnvReason: SECRET_ENV_REASON,
        containers: [
          {
            name: 'worker',
            image: props.image,
            args: celery(
              ...['worker', '--loglevel=info', '--include=platform_probes', '--task-events', '--without-gossip', '--without-mingle'],
              ...[`--queues=${pool.queues.join(',')}`, `--concurrency=${pool.concurrency}`, `--hostname=${pool.name}@%h`],
            ),
            env,
            resources: pool.resources,
            mounts,
            startup: { ...alive(60), periodSeconds: 5, failureThreshold: 60 },
            readiness: ready(),
            liveness: alive(60),
          },
        ],
      });
      if (pool.max !== undefined) scale(component, name, pool.replicas, pool.max);
    }
  }
}

function scale(component: Component, name: string, minReplicas: number, maxReplicas: number): void {
  new k8s.KubeHorizontalPodAutoscalerV2(component, `scale-${name}`, {
    metadata: component.metadata(name, name),
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name },
      minReplicas,
      maxReplicas,
      metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } }],
      // Every worker that goes has tasks to finish: one at a time.
      behavior: { scaleDown: { stabilizationWindowSeconds: 600, policies: [{ type: 'Pods', value: 1, periodSeconds: 300 }] } },
    },
  });
}
