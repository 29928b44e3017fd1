import { latest, risen } from './expressions.ts';
import type { RuleGroup } from './group.ts';

/** The broker, where every key may be a task. The cache (`redis-cache`) evicts keys by design. */
export const redis: RuleGroup = {
  name: 'redis',
  rules: [
    {
      alert: 'RedisDown',
      // The exporter beside it answers, Redis does not.
      expr: 'redis_up == 0',
      for: '2m',
      labels: { severity: 'page' },
      annotations: {
        summary: '{{ $labels.job }} is down',
        description: 'The exporter of {{ $labels.job }} has not reached Redis for 2 minutes.',
        action: 'Read its log: it is loading a large append-only file, is out of memory, or refuses the password.',
      },
    },
    {
      alert: 'RedisMemoryHigh',
      expr: `${latest('redis_memory_used_bytes{job="redis"}')} / ${latest('redis_memory_max_bytes{job="redis"}')} > 0.9`,
      for: '10m',
      labels: { severity: 'page' },
      annotations: {
        summary: 'The broker is almost full',
        description: '{{ $labels.job }} uses {{ $value | humanizePercentage }} of its memory; when full it refuses new tasks.',
        action: 'See whether a queue grows or results pile up, then add workers or raise maxmemory.',
      },
    },
    {
      alert: 'RedisNotSaving',
      expr: `${latest('redis_aof_last_write_status{job="redis"}')} == 0 or ${latest('redis_rdb_last_bgsave_status{job="redis"}')} == 0`,
      for: '5m',
      labels: { severity: 'page' },
      annotations: {
        summary: 'The broker cannot write to its disk',
        description: 'The last write of {{ $labels.job }} failed; it refuses new tasks, and a restart would lose the latest.',
        action: 'Look at the free space of its disk and do not restart it before a write has succeeded.',
      },
    },
    {
      alert: 'RedisEvictsTasks',
      expr: risen('redis_evicted_keys_total{job="redis"}'),
      for: '0m',
      labels: { severity: 'page' },
      annotations: {
        summary: 'The broker evicts keys',
        description: '{{ $labels.job }} evicted {{ $value | printf "%.0f" }} keys within an hour; tasks may be among them.',
        action: 'Set maxmemory-policy back to noeviction, then find what was lost by comparing tasks sent with tasks received.',
      },
    },
    {
      alert: 'RedisRejectsConnections',
      expr: risen('redis_rejected_connections_total'),
      for: '0m',
      labels: { severity: 'ticket' },
      annotations: {
        summary: '{{ $labels.job }} has too many clients',
        description: '{{ $labels.job }} turned {{ $value | printf "%.0f" }} connections away within an hour, having reached maxclients.',
        action: 'Find who opens connections without closing them; a restart of the worst client buys time.',
      },
    },
  ],
};
