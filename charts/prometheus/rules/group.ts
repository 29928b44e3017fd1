/** An alert. */
interface Alert {
  readonly expr: string;
  /** How long `expr` must hold before the alert fires: `0m` where a single burst matters. */
  readonly for: string;
  /** `page` needs somebody now, because users notice or data is being lost; `ticket` can wait until morning. */
  readonly severity: 'page' | 'ticket';
  /** What happens. */
  readonly summary: string;
  /** The numbers and the effect. */
  readonly description: string;
  /** The first thing to do. */
  readonly action: string;
}

/** The alerts on one service, by name. */
export interface AlertGroup {
  readonly name: string;
  readonly alerts: Readonly<Record<string, Alert>>;
}

/** A group in the format of Prometheus' rule files. */
export function ruleGroup({ name, alerts }: AlertGroup) {
  const rules = Object.entries(alerts).map(([alert, { expr, for: duration, severity, ...annotations }]) => ({
    alert,
    expr,
    for: duration,
    labels: { severity },
    annotations,
  }));
  return { name, rules };
}
