import { Chart, Duration } from 'cdk8s';
import type { Construct } from 'constructs';
import { Component, type Shared } from '../lib/component.ts';
import type { Disk } from '../lib/disk.ts';
import type { Resources } from '../lib/pod.ts';
import { deployment } from '../lib/workload.ts';
import { type AppProps, appEnv, appMounts, celeryArgs, livenessProbe, readinessProbe, SECRET_ENV_REASON } from './celery/app.ts';

const STATE = '/var/lib/celery';

export interface CeleryBeatSettings {
  readonly resources: Resources;
}

/** The app's scheduler. Two of them would send every task twice. */
export class CeleryBeat extends Chart {
  /** Seconds that it needs to stop without losing data. */
  static readonly minimumGrace = 10;

  constructor(scope: Construct, id: string, shared: Shared, props: CeleryBeatSettings & AppProps & { readonly storage: Disk }) {
    super(scope, id, shared);
    const component = new Component(this, id, shared, { role: 'scheduler', image: props.image });

    deployment(component, {
      strategy: 'Recreate',
      priority: 'work',
      // Beat writes its schedule when it stops.
      grace: Duration.seconds(15),
      secretEnvReason: SECRET_ENV_REASON,
      containers: [
        {
          name: 'beat',
          image: props.image,
          args: celeryArgs('beat', '--loglevel=info', '--scheduler=platform_probes:Scheduler', `--schedule=${STATE}/celerybeat-schedule`),
          env: appEnv(component, props),
          resources: props.resources,
          mounts: [...appMounts(component), props.storage.mount(STATE)],
          startup: { ...livenessProbe(60), periodSeconds: 5, failureThreshold: 60 },
          readiness: readinessProbe(),
          liveness: livenessProbe(60),
        },
      ],
    });
  }
}
