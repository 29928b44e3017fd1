import { yaml } from '../lib/config.ts';
import { type Break, testRule } from './testing.ts';

const fileOf = (name: string, content: object) => ({ kind: 'ConfigMap', metadata: { name }, data: { [`${name}.yaml`]: yaml(content) } });

/** Adds a collector with such a queue before Loki, and a Loki with such a configuration. */
const telemetry =
  (queue: object, loki: object = {}): Break =>
  (_, objects) => {
    const protocols = { grpc: {}, http: { max_request_body_size: 4194304 } };
    const exporters = { 'otlp_http/loki': { endpoint: 'http://loki:3100/otlp', sending_queue: queue } };
    objects.push(fileOf('collector', { receivers: { otlp: { protocols } }, exporters }), fileOf('loki', { schema_config: {}, ...loki }));
  };

/** Adds a collector that accepts and passes on requests of so many MiB, and a Tempo with such a configuration. */
const traces =
  (mebibytes: number, tempo: object): Break =>
  (_, objects) => {
    const protocols = { grpc: { max_recv_msg_size_mib: mebibytes } };
    const exporters = { 'otlp_grpc/tempo': { endpoint: 'tempo:4317', sending_queue: {} } };
    objects.push(fileOf('collector', { receivers: { otlp: { protocols } }, exporters }), fileOf('tempo', { live_store: {}, ...tempo }));
  };

testRule('batches', [
  ['a batch without a limit', telemetry({ batch: {} }), 'exporters.otlp_http/loki.sending_queue.batch: a batch has no limit in bytes'],
  [
    'requests that are merged by their number of records',
    telemetry({ batch: { sizer: 'items', min_size: 100, max_size: 100 } }),
    'a batch has no limit in bytes; set sizer: bytes and max_size, or sizer: items, min_size: 1 and max_size',
  ],
  [
    'a batch that is smaller than a record',
    telemetry({ batch: { sizer: 'bytes', max_size: 1000 } }),
    'a batch is limited to 1000 bytes, and a record of up to 4194304 bytes would be dropped',
  ],
  [
    'a batch for Loki without a limit of records',
    telemetry({ batch: { sizer: 'bytes', max_size: 4194304 } }),
    'a batch has no limit in records, and loki adds up to 65536 bytes to each, so it may exceed ingestion_burst_size_mb',
  ],
  [
    "Loki's burst, by its default",
    telemetry({ batch: { sizer: 'items', min_size: 1, max_size: 100 } }),
    'a batch may need 10747904 bytes, and ingestion_burst_size_mb of loki is 6291456',
  ],
  [
    "Loki's own messages, by their default",
    telemetry({ batch: { sizer: 'items', min_size: 1, max_size: 100 } }, { limits_config: { ingestion_burst_size_mb: 16 } }),
    'a batch may need 10747904 bytes, and grpc_server_max_recv_msg_size of loki is 4194304',
  ],
  [
    "Loki's lines, by their default",
    telemetry({ batch: { sizer: 'items', min_size: 1, max_size: 1 } }, { limits_config: { ingestion_burst_size_mb: 16 } }),
    'a batch may need 4194304 bytes, and max_line_size of loki is 262144',
  ],
  [
    "Tempo's messages, by their default",
    traces(8, { overrides: {} }),
    'a batch may need 8388608 bytes, and max_recv_msg_size_mib of tempo is 4194304',
  ],
  [
    "Tempo's traces, by their default",
    traces(8, { overrides: {} }),
    'a batch may need 8388608 bytes, and max_bytes_per_trace of tempo is 5000000',
  ],
  [
    "Tempo's burst, though its traces have no limit",
    traces(32, { overrides: { defaults: { global: { max_bytes_per_trace: 0 } } } }),
    'a batch may need 33554432 bytes, and burst_size_bytes of tempo is 20000000',
  ],
]);
