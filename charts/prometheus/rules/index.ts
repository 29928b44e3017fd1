import { arangodb } from './arangodb.ts';
import { celery } from './celery.ts';
import { consul } from './consul.ts';
import type { AlertGroup } from './group.ts';
import { loki } from './loki.ts';
import { otelCollector } from './otel-collector.ts';
import { platform } from './platform.ts';
import { prometheus } from './prometheus.ts';
import { redis } from './redis.ts';
import { tempo } from './tempo.ts';

/** All alerts of the platform. */
export const alertGroups: readonly AlertGroup[] = [platform, arangodb, redis, consul, celery, otelCollector, tempo, loki, prometheus];
