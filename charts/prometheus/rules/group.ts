/** An alerting rule in Prometheus' own format. */
interface AlertingRule {
  readonly alert: string;
  readonly expr: string;
  /** How long `expr` must hold before the alert fires: `0m` where a single burst matters. */
  readonly for: string;
  /** `page` needs somebody now, because users notice or data is being lost; `ticket` can wait until morning. */
  readonly labels: { readonly severity: 'page' | 'ticket' };
  readonly annotations: {
    /** What happens. */
    readonly summary: string;
    /** The numbers and the effect. */
    readonly description: string;
    /** The first thing to do. */
    readonly action: string;
  };
}

/** The alerts on one service. */
export interface RuleGroup {
  readonly name: string;
  readonly rules: readonly AlertingRule[];
}
