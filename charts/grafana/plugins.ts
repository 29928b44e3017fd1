/**
 * Ids of the data source plugins that Grafana starts unless they are disabled: the 13 of release 13.2.3, and cloudwatch, which
 * becomes a plugin in later releases.
 */
const BUNDLED = [
  'cloudwatch',
  'elasticsearch',
  'grafana-postgresql-datasource',
  'grafana-pyroscope-datasource',
  'influxdb',
  'jaeger',
  'loki',
  'mssql',
  'mysql',
  'opentsdb',
  'prometheus',
  'stackdriver',
  'tempo',
  'zipkin',
];

/** The bundled plugins that data sources of these types do not need. */
export function unusedPlugins(types: readonly string[]): string[] {
  return BUNDLED.filter((id) => !types.includes(id));
}
