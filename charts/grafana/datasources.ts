/** Where each data source answers. */
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
 * Grafana's data sources under fixed uids, each linked to the others; `scrapeInterval` is how often Prometheus scrapes.
 * `$` begins a variable of the environment in a provisioning file: `$$` is how Grafana gets one of its own.
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
    // A new panel and a new alert rule begin with metrics.
    isDefault: type === 'prometheus',
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
        // Without metrics: on 13.2, streamed metrics queries of one point in time show no data (grafana#128416).
        streamingEnabled: { search: true },
      }),
      source('prometheus', 'Prometheus', {
        httpMethod: 'POST',
        // $__rate_interval is at least four of these; Grafana would take 15 s.
        timeInterval: scrapeInterval,
        // Tempo's own exemplars say traceID, those of an OpenTelemetry SDK trace_id.
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
