import { increase1h, last5m } from './expressions.ts';
import type { AlertGroup } from './group.ts';

/** The broker, where any key may be a task. The cache (`redis-cache`) evicts keys by design. */
export const redis: AlertGroup = {
  name: 'redis',
  alerts: {
    RedisDown: {
      // The exporter answers its scrape, but Redis does not answer the exporter.
      expr: 'redis_up == 0',
      for: '2m',
      severity: 'page',
      summary: '{{ $labels.job }} is down',
      description: 'Redis has not answered the exporter of {{ $labels.job }} for 2 minutes: its clients fail.',
      action: 'Read its log: it may be loading a large append-only file, be out of memory, or reject the password.',
    },
    RedisMemoryHigh: {
      expr: `${last5m('redis_memory_used_bytes{job="redis"}')} / ${last5m('redis_memory_max_bytes{job="redis"}')} > 0.9`,
      for: '10m',
      severity: 'page',
      summary: "The broker's memory is almost full",
      description: '{{ $labels.job }} uses {{ $value | humanizePercentage }} of its memory; it refuses new tasks when it is full.',
      action: 'Check whether a queue or the stored results grow, then add workers or raise maxmemory.',
    },
    RedisNotSaving: {
      expr: `${last5m('redis_aof_last_write_status{job="redis"}')} == 0 or ${last5m('redis_rdb_last_bgsave_status{job="redis"}')} == 0`,
      for: '5m',
      severity: 'page',
      summary: 'The broker cannot write to its disk',
      description: 'The last write of {{ $labels.job }} failed: it refuses new tasks, and a restart would lose the most recent ones.',
      action: 'Check the free space on its disk. Do not restart it before a write has succeeded.',
    },
    RedisEvictsTasks: {
      expr: increase1h('redis_evicted_keys_total{job="redis"}'),
      for: '0m',
      severity: 'page',
      summary: 'The broker evicts keys',
      description: '{{ $labels.job }} evicted {{ $value | printf "%.0f" }} keys within an hour: tasks may be lost.',
      action: 'Set maxmemory-policy back to noeviction, then compare the tasks sent with those received to find the lost ones.',
    },
    RedisRejectsConnections: {
      expr: increase1h('redis_rejected_connections_total'),
      for: '0m',
      severity: 'ticket',
      summary: '{{ $labels.job }} has too many clients',
      description: '{{ $labels.job }} rejected {{ $value | printf "%.0f" }} connections within an hour because maxclients was reached.',
      action: 'Find the client that does not close its connections; restarting it frees them for now.',
    },
  },
};
