/** One alert, in Prometheus' own words. */
interface AlertingRule {
  readonly alert: string;
  readonly expr: string;
  /** How long `expr` has to hold before the alert fires: `0m` where a single burst matters. */
  readonly for: string;
  /** `page` wakes somebody, because users notice or data goes on being lost; `ticket` waits for the morning. */
  readonly labels: { readonly severity: 'page' | 'ticket' };
  readonly annotations: {
    readonly summary: string;
    readonly description: string;
    /** The first thing to do. */
    readonly action: string;
  };
}

/** Alerts on one topic. */
export interface RuleGroup {
  readonly name: string;
  readonly rules: readonly AlertingRule[];
}
