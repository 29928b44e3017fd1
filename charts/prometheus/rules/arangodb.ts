import { latest, risen } from './expressions.ts';
import type { RuleGroup } from './group.ts';

/** The database of record, of which there is one. */
export const arangodb: RuleGroup = {
  name: 'arangodb',
  rules: [
    {
      alert: 'ArangoDBReadOnly',
      // The server may stop answering scrapes soon after it went read-only.
      expr: 'max_over_time(rocksdb_read_only[5m]) == 1',
      for: '0m',
      labels: { severity: 'page' },
      annotations: {
        summary: 'ArangoDB takes no writes',
        description: 'The storage engine of {{ $labels.instance }} went read-only after an error, most often a full disk.',
        action: 'Read the error in its log and make room on its disk; if it does not recover by itself, restart it.',
      },
    },
    {
      alert: 'ArangoDBDiskFills',
      expr: `${latest('rocksdb_free_disk_space')} / ${latest('rocksdb_total_disk_space')} < 0.1`,
      for: '10m',
      labels: { severity: 'page' },
      annotations: {
        summary: 'The disk of ArangoDB is almost full',
        description: '{{ $value | humanizePercentage }} of the disk of {{ $labels.instance }} is free; when it is full, writes stop.',
        action: 'Grow its volume, or remove what is no longer needed while there is room to compact.',
      },
    },
    {
      alert: 'ArangoDBOverloaded',
      // While its queue is full the server may not answer scrapes either; the counter shows it afterwards.
      expr: risen('arangodb_scheduler_queue_full_failures_total'),
      for: '0m',
      labels: { severity: 'page' },
      annotations: {
        summary: 'ArangoDB turns requests away',
        description: 'The queue of {{ $labels.instance }} was full for {{ $value | printf "%.0f" }} requests within an hour.',
        action: 'Find the queries that take long and end them; more cores come next.',
      },
    },
  ],
};
