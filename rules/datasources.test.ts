import { testRule } from './testing.ts';

testRule('datasources', [
  [
    'a dashboard on a source that is not provisioned',
    (find) => (find('ConfigMap', 'client').data['board.json'] = '{"datasource":{"uid":"prom"}}'),
    'data.board.json: it uses the data source "prom", which is not provisioned; use one of prometheus',
  ],
  [
    'a link to a source that is not provisioned',
    (find) =>
      (find('ConfigMap', 'client').data['sources.yaml'] =
        'datasources: [{uid: prometheus, jsonData: {tracesToLogsV2: {datasourceUid: loki}}}]'),
    'it uses the data source "loki"',
  ],
]);
