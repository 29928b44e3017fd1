import { latest } from '../prometheus/rules/expressions.ts';
import type { RuleGroup } from '../prometheus/rules/group.ts';

const GIB = 2 ** 30;

/** What the Community License of 3.12 adds to the alerts on ArangoDB. */
export const community: RuleGroup = {
  name: 'arangodb-community',
  rules: [
    {
      alert: 'ArangoDBNearsCommunityLimit',
      expr: `${latest('rocksdb_total_disk_space')} - ${latest('rocksdb_free_disk_space')} > ${80 * GIB}`,
      for: '15m',
      labels: { severity: 'ticket' },
      annotations: {
        summary: 'ArangoDB nears the 100 GiB of the Community Edition',
        description:
          '{{ $value | humanize1024 }}B of the disk of {{ $labels.instance }} are used; above 100 GiB of data the Community Edition turns read-only after two days and shuts down after four.',
        action: 'Remove data, buy a licence and set settings.arangodb.licensed, or move to another database: docs/arangodb-3.12.md.',
      },
    },
  ],
};
