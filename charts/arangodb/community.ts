import { last5m } from '../prometheus/rules/expressions.ts';
import type { AlertGroup } from '../prometheus/rules/group.ts';

const GIB = 2 ** 30;

/** An alert on the size limit of ArangoDB 3.12's Community License. */
export const community: AlertGroup = {
  name: 'arangodb-community',
  alerts: {
    ArangoDBNearsCommunityLimit: {
      expr: `${last5m('rocksdb_total_disk_space')} - ${last5m('rocksdb_free_disk_space')} > ${80 * GIB}`,
      for: '15m',
      severity: 'ticket',
      summary: 'ArangoDB nears the 100 GiB limit of the Community Edition',
      description:
        '{{ $labels.instance }} uses {{ $value | humanize1024 }}B of its disk. Above 100 GiB of data, the Community Edition becomes read-only after two days and shuts down after four.',
      action: 'Delete data, buy a licence and set settings.arangodb.licensed, or move to another database: see docs/arangodb-3.12.md.',
    },
  },
};
