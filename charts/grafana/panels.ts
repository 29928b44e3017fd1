type Unit = 'ops' | 'percentunit' | 's' | 'short';

/** A query of a panel. */
interface Target {
  readonly refId: string;
  readonly expr?: string;
  readonly exemplar?: boolean;
  readonly [option: string]: unknown;
}

/** A panel in Grafana's own format; a dashboard adds its id and its place. */
export interface Panel {
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly links?: readonly object[];
  readonly datasource?: { readonly type: string; readonly uid: string };
  readonly targets?: readonly Target[];
  readonly [option: string]: unknown;
}

/** A line of panels below a title. */
interface Row {
  readonly title: string;
  readonly height: number;
  /** From left to right, of equal width. */
  readonly panels: readonly Panel[];
}

const datasource = (type: 'prometheus' | 'tempo' | 'loki') => ({ type, uid: type });
const refId = (index: number) => String.fromCharCode(65 + index);

/** A graph of Prometheus queries, by legend. `exemplars`: the dots of a graph link to traces. */
export function graph(
  title: string,
  description: string,
  unit: Unit,
  queries: Readonly<Record<string, string>>,
  { exemplars = false, ...defaults }: { readonly exemplars?: boolean; readonly [option: string]: unknown } = {},
): Panel {
  return {
    type: 'timeseries',
    title,
    description,
    datasource: datasource('prometheus'),
    targets: Object.entries(queries).map(([legendFormat, expr], index) => ({
      refId: refId(index),
      expr,
      legendFormat,
      ...(exemplars && { exemplar: true }),
    })),
    fieldConfig: { defaults: { unit, min: 0, custom: { fillOpacity: 10, showPoints: 'never' }, ...defaults }, overrides: [] },
    options: { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi', sort: 'desc' } },
  };
}

/** Current values. `steps`: the background of the lowest values, then each other colour and the value from which it applies. */
export function stat(
  title: string,
  description: string,
  unit: Unit,
  expr: string,
  [first, ...steps]: readonly [string, ...(readonly [color: string, value: number])[]],
  { legendFormat = '', ...defaults }: { readonly legendFormat?: string; readonly [option: string]: unknown } = {},
): Panel {
  const thresholds = { mode: 'absolute', steps: [{ color: first, value: null }, ...steps.map(([color, value]) => ({ color, value }))] };
  return {
    type: 'stat',
    title,
    description,
    datasource: datasource('prometheus'),
    targets: [{ refId: 'A', expr, legendFormat, instant: true }],
    fieldConfig: { defaults: { unit, thresholds, ...defaults }, overrides: [] },
    options: { reduceOptions: { calcs: ['lastNotNull'] }, colorMode: 'background', graphMode: 'none' },
  };
}

/** The newest 20 traces that match a TraceQL query. */
export function traces(title: string, description: string, query: string): Panel {
  return {
    type: 'table',
    title,
    description,
    datasource: datasource('tempo'),
    targets: [{ refId: 'A', queryType: 'traceql', query, limit: 20, tableType: 'traces' }],
    fieldConfig: { defaults: {}, overrides: [] },
    options: { cellHeight: 'sm' },
  };
}

/** The newest 200 lines that match a LogQL query. */
export function logs(title: string, description: string, expr: string): Panel {
  return {
    type: 'logs',
    title,
    description,
    datasource: datasource('loki'),
    targets: [{ refId: 'A', expr, queryType: 'range', maxLines: 200 }],
    options: { showTime: true, wrapLogMessage: true, enableLogDetails: true, sortOrder: 'Descending', dedupStrategy: 'none' },
  };
}

/** The increase of a counter that has no series before its first failure: `increase` alone does not count the first one. */
export const increase = (counter: string, range = '$__rate_interval') =>
  `(${counter} unless present_over_time(${counter}[${range}] offset ${range})) or increase(${counter}[${range}])`;

/** The dashboard `uid`, with a link to another one and an annotation for each firing alert. */
export function dashboard(
  uid: string,
  title: string,
  description: string,
  link: { readonly title: string; readonly uid: string },
  rows: readonly Row[],
) {
  let id = 0;
  let top = 0;
  const panels = rows.flatMap(({ title, height, panels }) => {
    const header: Panel = { type: 'row', title, collapsed: false, gridPos: { x: 0, y: top, w: 24, h: 1 }, panels: [] };
    // A dashboard has 24 columns.
    const width = Math.ceil(24 / panels.length);
    const placed = panels.map((panel, index) => {
      const x = index * width;
      return { ...panel, gridPos: { x, y: top + 1, w: Math.min(width, 24 - x), h: height } };
    });
    top += height + 1;
    return [header, ...placed].map((panel) => ({ id: ++id, ...panel }));
  });
  return {
    uid,
    title,
    description,
    tags: ['platform'],
    schemaVersion: 42,
    editable: true,
    graphTooltip: 1,
    timezone: 'browser',
    refresh: '30s',
    time: { from: 'now-1h', to: 'now' },
    links: [{ type: 'link', title: link.title, url: `/d/${link.uid}`, keepTime: true }],
    templating: { list: [] },
    annotations: {
      list: [
        {
          name: 'Alerts',
          datasource: datasource('prometheus'),
          enable: true,
          iconColor: 'red',
          expr: 'ALERTS{alertstate="firing"}',
          titleFormat: '{{alertname}}',
          textFormat: '{{job}}{{queue_name}}{{exporter}}',
        },
      ],
    },
    panels,
  };
}
