/**
 * The ids of the data source plugins that Grafana starts unless they are disabled: the 13 processes of 13.2.3,
 * and cloudwatch, which is part of Grafana there and a plugin in later releases.
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

/** The bundled plugins that no data source of these types needs. */
export function unusedPlugins(types: readonly string[]): string[] {
  return BUNDLED.filter((id) => !types.includes(id));
}
