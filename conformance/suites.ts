import { arangodb } from './arangodb.ts';
import { celeryBeat, celeryWorker } from './celery.ts';
import { celeryExporter } from './celery-exporter.ts';
import type { Suite } from './check.ts';
import { consul } from './consul.ts';
import { grafana, grafanaKeys } from './grafana.ts';
import { grafanaQueries } from './grafana-queries.ts';
import { loki, lokiKeys } from './loki.ts';
import { otelCollector } from './otel-collector.ts';
import { prometheus } from './prometheus.ts';
import { redis, redisExporter } from './redis.ts';
import { telemetry } from './telemetry.ts';
import { tempo, tempoKeys } from './tempo.ts';

/** The checks, by service. */
export const suites: readonly Suite[] = [
  arangodb,
  redis,
  redisExporter,
  consul,
  tempoKeys,
  tempo,
  lokiKeys,
  loki,
  prometheus,
  otelCollector,
  telemetry,
  celeryWorker,
  celeryBeat,
  celeryExporter,
  grafanaKeys,
  grafana,
  grafanaQueries,
];
