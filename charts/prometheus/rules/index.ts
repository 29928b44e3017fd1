import { arangodb } from './arangodb.ts';
import { celery } from './celery.ts';
import { consul } from './consul.ts';
import type { RuleGroup } from './group.ts';
import { platform } from './platform.ts';
import { redis } from './redis.ts';
import { telemetry } from './telemetry.ts';

/** Every alert of the platform. */
export const ruleGroups: readonly RuleGroup[] = [platform, arangodb, redis, consul, celery, telemetry];
