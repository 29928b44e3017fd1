/** The URL of each data source. */
export interface Urls {
  readonly tempo: string;
  readonly prometheus: string;
  readonly loki: string;
}

/** A provisioning file of data sources. */
interface DataSources {
  readonly apiVersion: 1;
  readonly datasources: readonly { readonly type: keyof Urls }[];
}

/**
 * Grafana's data sources with fixed uids, linked to one another.
 * In a provisioning file, `$` starts an environment variable; `$$` is a literal `$`.
 */
export function datasources(urls: Urls, scrapeInterval: string): DataSources {
  const shift = { spanStartTimeShift: '-5m', spanEndTimeShift: '5m' };
  const service = { key: 'service.name', value: 'service_name' };
  const source = (type: keyof Urls, name: string, jsonData: object) => ({
    name,
    type,
    uid: type,
    access: 'proxy',
    url: urls[type],
    editable: false,
    // The data source of new panels and alert rules.
    isDefault: type === 'prometheus',
    jsonData,
  });
  return {
    apiVersion: 1,
    datasources: [
      source('tempo', 'Tempo', {
        // From a span to the log lines of its trace, by the trace id in their structured metadata.
        tracesToLogsV2: { datasourceUid: 'loki', ...shift, tags: [service], filterByTraceID: true, filterBySpanID: false },
        // From a span to the span metrics of its service.
        tracesToMetrics: {
          datasourceUid: 'prometheus',
          ...shift,
          tags: [{ key: 'service.name', value: 'service' }],
          queries: [
            { name: 'Requests per second', query: 'sum(rate(traces_spanmetrics_calls_total{$$__tags}[5m]))' },
            {
              name: 'Errors per second',
              query: 'sum(rate(traces_spanmetrics_calls_total{$$__tags, status_code="STATUS_CODE_ERROR"}[5m]))',
            },
            { name: 'p95', query: 'histogram_quantile(0.95, sum by (le) (rate(traces_spanmetrics_latency_bucket{$$__tags}[5m])))' },
          ],
        },
        serviceMap: { datasourceUid: 'prometheus' },
        nodeGraph: { enabled: true },
        search: { hide: false },
        // Not for metrics: in 13.2, streamed instant queries show no data (grafana#128416).
        streamingEnabled: { search: true },
      }),
      source('prometheus', 'Prometheus', {
        httpMethod: 'POST',
        // $__rate_interval is at least four times this; Grafana's default is 15 s.
        timeInterval: scrapeInterval,
        // Tempo's exemplars have the label traceID, those of OpenTelemetry SDKs trace_id.
        exemplarTraceIdDestinations: [
          { name: 'traceID', datasourceUid: 'tempo' },
          { name: 'trace_id', datasourceUid: 'tempo' },
        ],
      }),
      source('loki', 'Loki', {
        derivedFields: [
          { name: 'trace_id', matcherType: 'label', matcherRegex: '^trace_id$$', url: '$${__value.raw}', datasourceUid: 'tempo' },
        ],
      }),
    ],
  };
}
