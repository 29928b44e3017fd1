import { Chart, Duration, Size } from 'cdk8s';
import type { Construct } from 'constructs';
import { Component, type Endpoint, type Shared } from '../lib/component.ts';
import { configMap, yaml } from '../lib/config.ts';
import { type Disk, emptyDir } from '../lib/disk.ts';
import { http, type Resources, tcp } from '../lib/pod.ts';
import type { ScrapeTarget } from '../lib/scrape-target.ts';
import type { SecretRef } from '../lib/secret.ts';
import { deployment } from '../lib/workload.ts';
import { celery } from './grafana/dashboards/celery.ts';
import { platform } from './grafana/dashboards/platform.ts';
import { datasources } from './grafana/datasources.ts';
import { grafanaMemory } from './grafana/memory.ts';
import { unusedPlugins } from './grafana/plugins.ts';

const PORTS = { grafana: 3000 };

export interface GrafanaSettings {
  readonly resources: Resources;
  /** Disk of the SQLite database, with users and their dashboards. */
  readonly disk: Size;
}

interface GrafanaProps extends GrafanaSettings {
  readonly image: string;
  readonly storage: Disk;
  readonly secret: SecretRef<'admin-password' | 'secret-key'>;
  readonly traces: Endpoint<'tempo'>;
  readonly metricStore: Endpoint<'prometheus'>;
  /** Prometheus' scrape interval. */
  readonly scrapeInterval: Duration;
  readonly logs: Endpoint<'loki'>;
}

/** One Grafana with SQLite, linked data sources and the dashboards. */
export class Grafana extends Chart {
  /** Seconds that it needs to stop without losing data. */
  static readonly minimumGrace = 30;
  readonly grafana: Endpoint<'grafana'>;
  readonly metrics: ScrapeTarget;

  constructor(scope: Construct, id: string, shared: Shared, props: GrafanaProps) {
    super(scope, id, shared);
    const { secret } = props;
    const component = new Component(this, id, shared, { role: 'dashboards', image: props.image });
    const service = component.serve(PORTS);

    const urls = {
      tempo: `http://${component.connect(props.traces)}`,
      prometheus: `http://${component.connect(props.metricStore)}`,
      loki: `http://${component.connect(props.logs)}`,
    };
    const sources = datasources(urls, `${props.scrapeInterval.toSeconds()}s`);
    const types = sources.datasources.map(({ type }) => type);
    const sourceFiles = configMap(component, () => ({ 'platform.yaml': yaml(sources) }), `${id}-datasources`);
    const provider = {
      name: 'platform',
      folder: 'Platform',
      type: 'file',
      allowUiUpdates: false,
      options: { path: '/etc/grafana/dashboards' },
    };
    const providerFiles = configMap(
      component,
      () => ({ 'platform.yaml': yaml({ apiVersion: 1, providers: [provider] }) }),
      `${id}-providers`,
    );
    const dashboards = configMap(
      component,
      () => Object.fromEntries([platform, celery].map((dashboard) => [`${dashboard.uid}.json`, `${JSON.stringify(dashboard, null, 1)}\n`])),
      `${id}-dashboards`,
    );

    deployment(component, {
      // A second Grafana would corrupt the SQLite database.
      strategy: 'Recreate',
      priority: 'view',
      grace: Duration.seconds(30),
      containers: [
        {
          name: 'grafana',
          image: props.image,
          env: {
            // Grafana reads it only when it creates its database.
            GF_SECURITY_ADMIN_PASSWORD__FILE: secret.path('admin-password'),
            GF_SECURITY_SECRET_KEY__FILE: secret.path('secret-key'),
            // The default of this key, of Grafana's secrets manager, is public too.
            GF_SECRETS_MANAGER_ENCRYPTION_SECRET_KEY_V1_SECRET_KEY__FILE: secret.path('secret-key'),
            GF_USERS_ALLOW_SIGN_UP: 'false',
            GF_AUTH_ANONYMOUS_ENABLED: 'false',
            GF_SERVER_HTTP_PORT: `${PORTS.grafana}`,
            // The base of Grafana's links: where `npm run open` forwards it.
            GF_SERVER_ROOT_URL: `http://127.0.0.1:${PORTS.grafana}/`,
            // Readers do not block on a write, such as the provisioning of dashboards.
            GF_DATABASE_WAL: 'true',
            // Each plugin takes 22 to 38 MB even when no data source uses it.
            GF_PLUGINS_DISABLE_PLUGINS: unusedPlugins(types).join(','),
            // Updating the bundled plugins at start fails on a read-only root filesystem and removes them.
            GF_PLUGINS_PREINSTALL_DISABLED: 'true',
            GF_PLUGINS_PLUGIN_ADMIN_ENABLED: 'false',
            // Requests to hosts outside the cluster would all time out.
            GF_PLUGINS_PUBLIC_KEY_RETRIEVAL_DISABLED: 'true',
            GF_SECURITY_DISABLE_GRAVATAR: 'true',
            GF_SNAPSHOTS_EXTERNAL_ENABLED: 'false',
            GF_ANALYTICS_REPORTING_ENABLED: 'false',
            GF_ANALYTICS_CHECK_FOR_UPDATES: 'false',
            GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES: 'false',
            GF_ANALYTICS_FEEDBACK_LINKS_ENABLED: 'false',
            GF_NEWS_NEWS_FEED_ENABLED: 'false',
            GF_LOG_MODE: 'console',
            GF_UNIFIED_STORAGE_INDEX_PATH: '/tmp/bleve',
            ...grafanaMemory(props.resources.memory, types.length),
          },
          ports: PORTS,
          resources: props.resources,
          mounts: [
            sourceFiles.mount('/etc/grafana/provisioning/datasources'),
            providerFiles.mount('/etc/grafana/provisioning/dashboards'),
            dashboards.mount('/etc/grafana/dashboards'),
            secret.mount('admin-password', 'secret-key'),
            props.storage.mount('/var/lib/grafana'),
            emptyDir('/tmp', 'tmp', Size.mebibytes(128)),
          ],
          // The first start and updates migrate the database.
          startup: { ...http('/api/health', 'grafana'), periodSeconds: 5, failureThreshold: 60 },
          readiness: http('/api/health', 'grafana'),
          liveness: tcp('grafana'),
        },
      ],
    });

    this.grafana = service.endpoints.grafana;
    this.metrics = { endpoint: service.endpoints.grafana };
  }
}
