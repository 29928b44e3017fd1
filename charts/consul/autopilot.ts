/**
 * Autopilot's settings as Consul's API takes and answers them. In a server's own configuration they count at the first
 * bootstrap only: the Job `consul-acl` sets them, so that another number of servers changes the quorum.
 */
export function autopilotFile(servers: number): string {
  const settings = {
    CleanupDeadServers: true,
    LastContactThreshold: '200ms',
    MaxTrailingLogs: 250,
    // Dead servers are removed down to this number, never below.
    MinQuorum: Math.floor(servers / 2) + 1,
    ServerStabilizationTime: '10s',
  };
  return `${JSON.stringify(settings)}\n`;
}
