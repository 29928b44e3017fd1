import { arangodb } from './arangodb.ts';
import { celeryBeat, celeryWorker } from './celery.ts';
import { celeryExporter } from './celery-exporter.ts';
import type { Service } from './check.ts';
import { consul } from './consul.ts';
import { grafana, grafanaQueries, grafanaServer } from './grafana.ts';
import { loki, lokiServer } from './loki.ts';
import { otelCollector } from './otel-collector.ts';
import { prometheus } from './prometheus.ts';
import { redis, redisExporter } from './redis.ts';
import { telemetry } from './telemetry.ts';
import { tempo, tempoServer } from './tempo.ts';

/** Everything that is given to a program, service by service. */
export const services: readonly Service[] = [
  arangodb,
  redis,
  redisExporter,
  consul,
  tempo,
  tempoServer,
  loki,
  lokiServer,
  prometheus,
  otelCollector,
  telemetry,
  celeryWorker,
  celeryBeat,
  celeryExporter,
  grafana,
  grafanaServer,
  grafanaQueries,
];
