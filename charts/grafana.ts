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
  /** Disk of its SQLite database: users, and the dashboards they make. */
  readonly disk: Size;
}

interface GrafanaProps extends GrafanaSettings {
  readonly image: string;
  readonly storage: Disk;
  readonly secret: SecretRef<'admin-password' | 'secret-key'>;
  readonly traces: Endpoint<'tempo'>;
  readonly metricStore: Endpoint<'prometheus'>;
  /** How often Prometheus scrapes. */
  readonly scrapeInterval: Duration;
  readonly logs: Endpoint<'loki'>;
}

/** One Grafana on SQLite, with every data source and how they lead to one another. */
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
      // SQLite: a second Grafana would corrupt it.
      strategy: 'Recreate',
      priority: 'view',
      grace: Duration.seconds(30),
      containers: [
        {
          name: 'grafana',
          image: props.image,
          env: {
            // Applied when the database is first created.
            GF_SECURITY_ADMIN_PASSWORD__FILE: secret.path('admin-password'),
            GF_SECURITY_SECRET_KEY__FILE: secret.path('secret-key'),
            // The key of Grafana's secrets manager, whose default is public too.
            GF_SECRETS_MANAGER_ENCRYPTION_SECRET_KEY_V1_SECRET_KEY__FILE: secret.path('secret-key'),
            GF_USERS_ALLOW_SIGN_UP: 'false',
            GF_AUTH_ANONYMOUS_ENABLED: 'false',
            // Links that Grafana gives away lead to where `npm run open` forwards it.
            GF_SERVER_ROOT_URL: `http://127.0.0.1:${PORTS.grafana}/`,
            // Readers do not lock the database while something is written, such as a dashboard from its file.
            GF_DATABASE_WAL: 'true',
            // Each takes 22 to 38 MB, whether a data source uses it or not.
            GF_PLUGINS_DISABLE_PLUGINS: unusedPlugins(types).join(','),
            // Data sources are bundled plugins; an update at start fails on a read-only root and takes them with it.
            GF_PLUGINS_PREINSTALL_DISABLED: 'true',
            GF_PLUGINS_PLUGIN_ADMIN_ENABLED: 'false',
            // What is outside the cluster cannot be reached: each request to it would wait for its timeout.
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
          // The first start migrates its database.
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
