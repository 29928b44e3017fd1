import { latest } from './expressions.ts';
import type { RuleGroup } from './group.ts';

/** The leader's value counts: some releases report 0 on all others. */
const ofLeader = (gauge: string) => `${latest(gauge)} and on (job, instance) ${latest('consul_server_isLeader')} == 1`;

/** Without a leader Consul returns stale reads at best. */
export const consul: RuleGroup = {
  name: 'consul',
  rules: [
    {
      alert: 'ConsulNoLeader',
      expr: 'max by (job) (consul_server_isLeader) == 0',
      for: '2m',
      labels: { severity: 'page' },
      annotations: {
        summary: 'Consul has no leader',
        description: 'None of the servers of {{ $labels.job }} has led for 2 minutes: no writes, and reads hang.',
        action: 'Bring servers back until a majority runs; restarting those that do run makes it longer.',
      },
    },
    {
      alert: 'ConsulUnhealthy',
      // A server that has left does not count as unhealthy, but lowers the failure tolerance. That of a single server is always 0.
      expr: [
        `min by (job) (${ofLeader('consul_autopilot_healthy')}) == 0`,
        `or min by (job) (${ofLeader('consul_autopilot_failure_tolerance')}) == 0 and on (job) count by (job) (up) > 1`,
      ].join(' '),
      for: '10m',
      labels: { severity: 'ticket' },
      annotations: {
        summary: 'Consul lacks a healthy server',
        description:
          'For 10 minutes a server of {{ $labels.job }} has been missing or behind the others: the loss of one more may end its majority.',
        action: 'Ask `consul operator autopilot state` which, and read its log.',
      },
    },
  ],
};
