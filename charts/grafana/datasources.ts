/** Where each data source answers. */
export interface Urls {
  readonly tempo: string;
  readonly prometheus: string;
  readonly loki: string;
}

/**
 * Grafana's data sources under fixed uids, each linked to the others.
 * `$` begins a variable of the environment in a provisioning file: `$$` is how Grafana gets one of its own.
 */
export function datasources(urls: Urls): object {
  const shift = { spanStartTimeShift: '-5m', spanEndTimeShift: '5m' };
  const service = { key: 'service.name', value: 'service_name' };
  const source = (type: keyof Urls, name: string, jsonData: object) => ({
    name,
    type,
    uid: type,
    access: 'proxy',
    url: urls[type],
    editable: false,
    isDefault: type === 'tempo',
    jsonData,
  });
  return {
    apiVersion: 1,
    datasources: [
      source('tempo', 'Tempo', {
        // Span to the lines of its trace: OTLP logs carry the trace id as structured metadata, which this filter knows.
        tracesToLogsV2: { datasourceUid: 'loki', ...shift, tags: [service], filterByTraceID: true, filterBySpanID: false },
        // Span to its service's rate, errors and latency, as Tempo's span-metrics name them.
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
        streamingEnabled: { search: true, metrics: true },
      }),
      source('prometheus', 'Prometheus', {
        httpMethod: 'POST',
        // Tempo's own exemplars say traceID, those of an OpenTelemetry SDK trace_id.
        exemplarTraceIdDestinations: [
          { name: 'traceID', datasourceUid: 'tempo' },
          { name: 'trace_id', datasourceUid: 'tempo' },
        ],
      }),
      source('loki', 'Loki', {
        derivedFields: [
          { name: 'trace_id', matcherType: 'label', matcherRegex: 'trace_id', url: '$${__value.raw}', datasourceUid: 'tempo' },
        ],
      }),
    ],
  };
}
