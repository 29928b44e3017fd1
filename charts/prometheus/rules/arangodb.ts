import { increase1h, last5m } from './expressions.ts';
import type { AlertGroup } from './group.ts';

/** The single database server. */
export const arangodb: AlertGroup = {
  name: 'arangodb',
  alerts: {
    ArangoDBReadOnly: {
      // The server may stop answering scrapes soon after it becomes read-only.
      expr: 'max_over_time(rocksdb_read_only[5m]) == 1',
      for: '0m',
      severity: 'page',
      summary: 'ArangoDB is read-only',
      description: 'The storage engine of {{ $labels.instance }} became read-only after an error, usually a full disk: every write fails.',
      action: 'Read the error in its log and free disk space; restart it if it does not recover.',
    },
    ArangoDBDiskFills: {
      expr: `${last5m('rocksdb_free_disk_space')} / ${last5m('rocksdb_total_disk_space')} < 0.1`,
      for: '10m',
      severity: 'page',
      summary: "ArangoDB's disk is almost full",
      description: '{{ $value | humanizePercentage }} of the disk of {{ $labels.instance }} is free; writes fail when it is full.',
      action: 'Expand its volume, or delete data while there is still room to compact.',
    },
    ArangoDBOverloaded: {
      // While its queue is full, the server may not answer scrapes either; the counter shows the rejections afterwards.
      expr: increase1h('arangodb_scheduler_queue_full_failures_total'),
      for: '0m',
      severity: 'page',
      summary: 'ArangoDB rejects requests',
      description: '{{ $labels.instance }} rejected {{ $value | printf "%.0f" }} requests within an hour because its queue was full.',
      action: 'Find the slow queries and stop them; if there are none, give it more CPU.',
    },
  },
};
