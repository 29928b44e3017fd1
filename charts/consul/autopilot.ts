/**
 * Autopilot's settings in the format of Consul's API. A server reads those in its configuration only at the first bootstrap, so the Job
 * `consul-acl` sets them: a changed number of servers then changes the quorum.
 */
export function autopilotFile(servers: number): string {
  const settings = {
    CleanupDeadServers: true,
    LastContactThreshold: '200ms',
    MaxTrailingLogs: 250,
    // Autopilot removes dead servers down to this number.
    MinQuorum: Math.floor(servers / 2) + 1,
    ServerStabilizationTime: '10s',
  };
  return `${JSON.stringify(settings)}\n`;
}
