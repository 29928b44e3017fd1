import type { RuleGroup } from './group.ts';

/** Without a leader Consul answers with old news at best. */
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
      // The leader's word counts: some releases report 0 on all others.
      expr: 'min by (job) (consul_autopilot_healthy and on (job, instance) consul_server_isLeader == 1) == 0',
      for: '10m',
      labels: { severity: 'ticket' },
      annotations: {
        summary: 'Consul counts a server as unhealthy',
        description: 'A server of {{ $labels.job }} has not kept up with the others for 10 minutes.',
        action: 'Ask `consul operator autopilot state` which, and read its log.',
      },
    },
  ],
};
