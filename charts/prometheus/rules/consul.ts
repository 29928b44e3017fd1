import { last5m } from './expressions.ts';
import type { AlertGroup } from './group.ts';

/** The gauge as the leader reports it: on the other servers, some releases report 0. */
const ofLeader = (gauge: string) => `${last5m(gauge)} and on (job, instance) ${last5m('consul_server_isLeader')} == 1`;

/** Consul's leader and quorum. */
export const consul: AlertGroup = {
  name: 'consul',
  alerts: {
    ConsulNoLeader: {
      expr: 'max by (job) (consul_server_isLeader) == 0',
      for: '2m',
      severity: 'page',
      summary: 'Consul has no leader',
      description: '{{ $labels.job }} has had no leader for 2 minutes: writes fail, and reads hang or are stale.',
      action: 'Start the missing servers until a majority runs. Do not restart the running ones: that prolongs the outage.',
    },
    ConsulUnhealthy: {
      // A server that left is not counted as unhealthy, but lowers the failure tolerance. A single server always has a tolerance of 0.
      expr: [
        `min by (job) (${ofLeader('consul_autopilot_healthy')}) == 0`,
        `or min by (job) (${ofLeader('consul_autopilot_failure_tolerance')}) == 0 and on (job) count by (job) (up) > 1`,
      ].join(' '),
      for: '10m',
      severity: 'ticket',
      summary: 'Consul lacks a healthy server',
      description: 'A server of {{ $labels.job }} has been missing or lagging for 10 minutes: losing one more may lose the quorum.',
      action: 'Run `consul operator autopilot state` to find the server, and read its log.',
    },
  },
};
