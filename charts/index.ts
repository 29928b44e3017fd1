import { ApiObject, type App } from 'cdk8s';
import { Construct } from 'constructs';
import { mirrored } from '../lib/image.ts';
import { ArangoDB } from './arangodb.ts';
import type { AppProps } from './celery/app.ts';
import { CeleryBeat } from './celery-beat.ts';
import { CeleryExporter } from './celery-exporter.ts';
import { CeleryWorker } from './celery-worker.ts';
import { Consul } from './consul.ts';
import { ExternalSecrets } from './external-secrets.ts';
import { Grafana } from './grafana.ts';
import { immutable } from './immutable.ts';
import { Loki } from './loki.ts';
import { OtelCollector } from './otel-collector.ts';
import { alertGroups } from './prometheus/rules/index.ts';
import { Prometheus } from './prometheus.ts';
import { Redis } from './redis.ts';
import { secrets } from './secrets.ts';
import type { Settings } from './settings.ts';
import { Setup } from './setup.ts';
import { Smoke } from './smoke.ts';
import { Tempo } from './tempo.ts';

/**
 * Creates every chart once and connects them: the architecture in one function.
 * @returns the facts that rules need and manifests do not hold
 */
export function platform(app: App, settings: Settings) {
  const { shared } = settings;
  const images = mirrored(settings.images, settings.mirror);
  const setup = new Setup(new Construct(app, 'setup'), 'setup', shared, settings.setup);

  const arangodb = new ArangoDB(app, 'arangodb', shared, {
    ...settings.arangodb,
    image: images.arangodb,
    python: images.app,
    secret: secrets.arangodb,
  });

  const redisImages = { image: images.redis, exporter: images.redisExporter };
  const redis = new Redis(app, 'redis', shared, { ...settings.redis, ...redisImages, secret: secrets.redis });
  const cache =
    settings.cache && new Redis(app, 'redis-cache', shared, { ...settings.cache, ...redisImages, secret: secrets['redis-cache'] });

  const prometheus = new Prometheus(app, 'prometheus', shared, {
    ...settings.prometheus,
    image: images.prometheus,
    secrets: { arangodb: secrets.arangodb, consul: secrets.consul },
  });
  const loki = new Loki(app, 'loki', shared, { ...settings.loki, image: images.loki, bucketSecret: secrets['object-storage'] });
  const tempo = new Tempo(app, 'tempo', shared, {
    ...settings.tempo,
    image: images.tempo,
    storage: setup.disk('tempo', settings.tempo.disk),
    longestTask: settings.app.longestTask,
    metricStore: prometheus.prometheus,
    bucketSecret: secrets['object-storage'],
  });
  const collector = new OtelCollector(app, 'otel-collector', shared, {
    ...settings.otelCollector,
    image: images.otelCollector,
    disks: Array.from({ length: settings.otelCollector.replicas }, (_, index) =>
      setup.disk(`otel-collector-${index}`, settings.otelCollector.queue),
    ),
    traces: tempo.spans,
    logs: loki.loki,
    metricStore: prometheus.prometheus,
  });
  const grafana = new Grafana(app, 'grafana', shared, {
    ...settings.grafana,
    image: images.grafana,
    storage: setup.disk('grafana', settings.grafana.disk),
    secret: secrets.grafana,
    traces: tempo.tempo,
    metricStore: prometheus.prometheus,
    scrapeInterval: prometheus.scrapeInterval,
    logs: loki.loki,
  });
  const consul = new Consul(app, 'consul', shared, {
    ...settings.consul,
    image: images.consul,
    secret: secrets.consul,
    services: [arangodb.app.endpoint, redis.redis, tempo.tempo, loki.loki, prometheus.prometheus, collector.grpc, grafana.grafana],
  });

  const celery: AppProps = {
    ...settings.app,
    image: images.app,
    broker: redis.database(0),
    results: redis.database(1),
    cache: (cache ?? redis).database(2),
    database: arangodb.app,
    otlp: collector.grpc,
    otlpHttp: collector.http,
    traces: tempo.tempo,
    consul: consul.consul,
    consulSecret: secrets.consul,
    datacenter: settings.consul.datacenter,
  };
  new CeleryWorker(app, 'celery-worker', shared, { ...settings.celeryWorker, ...celery });
  new CeleryBeat(app, 'celery-beat', shared, {
    ...settings.celeryBeat,
    ...celery,
    storage: setup.disk('celery-beat', settings.celeryBeat.disk),
  });
  const exporter = new CeleryExporter(app, 'celery-exporter', shared, {
    ...settings.celeryExporter,
    image: images.celeryExporter,
    broker: celery.broker,
    queues: settings.celeryWorker.pools.flatMap(({ queues }) => queues),
    longestTask: settings.app.longestTask,
  });

  prometheus.scrape(arangodb.metrics, redis.metrics, ...(cache ? [cache.metrics] : []), consul.metrics, tempo.metrics, loki.metrics);
  prometheus.scrape(prometheus.metrics, collector.metrics, exporter.metrics, grafana.metrics);
  prometheus.alert(...alertGroups, ...arangodb.alerts);

  // Last, because it gets the names of all Services.
  const { pools } = settings.celeryWorker;
  new Smoke(new Construct(app, 'smoke'), 'smoke', shared, {
    ...celery,
    dashboards: grafana.grafana,
    dashboardsSecret: secrets.grafana,
    metricStore: prometheus.prometheus,
    logs: loki.loki,
    consulDns: consul.dns,
    app: settings.app.name,
    queues: Object.fromEntries(pools.flatMap(({ name, queues }) => queues.map((queue) => [queue, name]))),
    services: app.node.findAll().flatMap((node) => (ApiObject.isApiObject(node) && node.kind === 'Service' ? [node.name] : [])),
  });

  const buckets = [settings.tempo.bucket, settings.loki.bucket].flatMap((bucket) => (bucket ? [bucket.endpoint] : []));
  const used = Object.values(secrets).filter(
    ({ name }) => (name !== 'redis-cache' || cache) && (name !== 'object-storage' || buckets.length > 0),
  );
  if (settings.externalSecrets) {
    new ExternalSecrets(new Construct(app, 'external-secrets'), 'external-secrets', shared, {
      settings: settings.externalSecrets,
      secrets: used,
    });
  }

  return {
    secrets: Object.fromEntries(used.map(({ name, keys }) => [name, Object.keys(keys)])),
    externals: buckets.map(({ host, port }) => `${host}:${port}`),
    immutable,
    grace: {
      arangodb: ArangoDB.minimumGrace,
      'celery-beat': CeleryBeat.minimumGrace,
      'celery-exporter': CeleryExporter.minimumGrace,
      'celery-worker': settings.app.longestTask.toSeconds(),
      consul: Consul.minimumGrace,
      grafana: Grafana.minimumGrace,
      loki: Loki.minimumGrace,
      'otel-collector': OtelCollector.minimumGrace,
      prometheus: Prometheus.minimumGrace,
      redis: Redis.minimumGrace,
      'redis-cache': Redis.minimumGrace,
      tempo: Tempo.minimumGrace,
    },
  };
}
