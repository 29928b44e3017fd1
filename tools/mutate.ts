import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

// Breaks the sources, one small mistake at a time, and shows what catches it: a rule at synth, the validation of the settings,
// or the compiler. Exit status 1 when one survives.

/** What is broken: the file, what stands there, and what somebody wrote instead. */
const mutations: readonly (readonly [what: string, file: string, from: string, to: string])[] = [
  [
    'another port in a Service',
    'charts/arangodb.ts',
    'const service = component.serve(PORTS, { headless: true, publishNotReadyAddresses: true });',
    'const service = component.serve({ arangodb: 8530 }, { headless: true, publishNotReadyAddresses: true });',
  ],
  [
    'a password file that is not mounted',
    'charts/arangodb.ts',
    "secret.mount('root-password', 'password', 'metrics-password')",
    "secret.mount('root-password', 'password')",
  ],
  ['a renamed key', 'charts/arangodb.ts', "secret.path('metrics-password')", "secret.path('password')"],
  ['a Job without its script', 'charts/arangodb.ts', "mounts: [script.at('/opt/platform'), ", 'mounts: ['],
  ['a host by hand', 'charts/arangodb.ts', '`http://${maker.connect(service.at.arangodb)}`', "'http://arangodb:8529'"],
  ['a probe of a port that is not there', 'charts/arangodb.ts', "liveness: tcp('arangodb')", "liveness: tcp('http')"],
  ['no disk', 'charts/redis.ts', "...(disk ? [volumeClaimTemplate('/data', 'data', disk, shared)] : [])", ''],
  ['another claim', 'charts/redis.ts', "volumeClaimTemplate('/data', 'data',", "volumeClaimTemplate('/data', 'store',"],
  ['a config somewhere else', 'charts/redis.ts', "file.at('/etc/redis')", "file.at('/etc/redis.d')"],
  ['an exporter that asks another port', 'charts/redis.ts', '`redis://localhost:${PORTS.redis}`', "'redis://localhost:6380'"],
  ['a Service with an address of its own', 'charts/redis.ts', 'component.serve(PORTS, { headless: true })', 'component.serve(PORTS)'],
  ['no time to save', 'charts/redis.ts', 'disk ? 30 + Math.ceil(maxmemory / 20) : 30', '5'],
  ['members that may not talk', 'charts/consul.ts', 'component.connectSelf(...Object.values(MEMBERS));', ''],
  ['a watched service without a path', 'charts/consul.ts', '      component.connect(endpoint);\n', ''],
  ['a script of another name', 'charts/consul.ts', "'/etc/consul/start.sh'", "'/etc/consul/run.sh'"],
  [
    'a secret that the start needs',
    'charts/consul.ts',
    "secret.mount('gossip-key', 'management-token', 'agent-token')",
    "secret.mount('gossip-key')",
  ],
  ['a token that is not listed', 'charts/consul.ts', "tokenFile: secret.path('metrics-token')", "tokenFile: secret.path('metric-token')"],
  [
    'a memoryDir that is missing',
    'charts/consul.ts',
    "            memoryDir('/run/platform', 'memory', Size.mebibytes(1)),\n            volumeClaimTemplate",
    '            volumeClaimTemplate',
  ],
  ['a server that is ready before it votes', 'charts/consul.ts', '...(servers > 1 && { successThreshold: 4 }),', ''],
  ['servers under another Service', 'charts/consul.ts', '      service: members,', '      service: api,'],
  ['a disk that is not mounted', 'charts/tempo.ts', "props.storage.at('/var/tempo'), ", ''],
  ['remote write to a wrong port', 'charts/tempo.ts', '`http://${metricStore}/api/v1/write`', "'http://prometheus:9091/api/v1/write'"],
  ['a rollout with two Tempos', 'charts/tempo.ts', "strategy: 'Recreate'", "strategy: 'RollingUpdate'"],
  ['a receiver on a port that is not declared', 'charts/tempo.ts', "`0.0.0.0:${PORTS['otlp-grpc']}`", "'0.0.0.0:4327'"],
  ['no policy for the bucket', 'charts/tempo.ts', 'if (bucket) component.connectExternal(bucket.endpoint);', ''],
  ['too short a grace', 'charts/loki.ts', 'grace: Duration.minutes(5)', 'grace: Duration.seconds(30)'],
  ['a config file of another name', 'charts/loki.ts', "'-config.file=/etc/loki/loki.yaml'", "'-config.file=/etc/loki/config.yaml'"],
  ['a Service port that no container has', 'charts/loki.ts', 'ports: PORTS,\n', 'ports: { http: 3100 },\n'],
  ['a target that is not there', 'charts/prometheus.ts', '`${host}:${port}`', '`${host}:${port + 1}`'],
  ['scraping without a path', 'charts/prometheus.ts', '      this.component.connect(endpoint);\n', ''],
  ['a login that is not mounted', 'charts/prometheus.ts', "            props.logins.consul.mount('metrics-token'),\n", ''],
  ['a path that nothing uses', 'charts/otel-collector.ts', '`http://${logs}/otlp`', "'http://127.0.0.1:13133/otlp'"],
  ['logs to a host that is not there', 'charts/otel-collector.ts', '`http://${logs}/otlp`', "'http://loki-gateway:3100/otlp'"],
  ['health on a port that is not declared', 'charts/otel-collector.ts', '`0.0.0.0:${HEALTH.health}`', "'0.0.0.0:13134'"],
  [
    'metrics that nobody scrapes',
    'charts/index.ts',
    'prometheus.metrics, collector.metrics, exporter.metrics,',
    'prometheus.metrics, exporter.metrics,',
  ],
  ['spans to a store of logs', 'charts/index.ts', '    traces: tempo.spans,', '    traces: loki.loki,'],
  ['a broker that is a database', 'charts/index.ts', '    broker: redis.database(0),', '    broker: arangodb.app,'],
  ['a component that is forgotten', 'charts/index.ts', '    metricStore: prometheus.prometheus,\n    bucketSecret', '    bucketSecret'],
  ['a disk that nobody made', 'charts/index.ts', "    storage: setup.disk('grafana', settings.grafana.disk),\n", ''],
  [
    'a disk of somebody else',
    'charts/index.ts',
    "setup.disk('celery-beat', settings.celeryBeat.disk)",
    "setup.disk('grafana', settings.celeryBeat.disk)",
  ],
  [
    'a uid that is not provisioned',
    'charts/grafana/datasources.ts',
    "serviceMap: { datasourceUid: 'prometheus' }",
    "serviceMap: { datasourceUid: 'prom' }",
  ],
  ['dashboards that are not mounted', 'charts/grafana.ts', "            dashboards.at('/etc/grafana/dashboards'),\n", ''],
  ['two Grafanas on one SQLite', 'charts/grafana.ts', "strategy: 'Recreate'", "strategy: 'RollingUpdate'"],
  [
    'a password in a variable',
    'charts/grafana.ts',
    "GF_USERS_ALLOW_SIGN_UP: 'false'",
    "GF_USERS_ALLOW_SIGN_UP: 'false', GF_SECURITY_ADMIN_PASSWORD: 'admin'",
  ],
  ['a worker without the module', 'charts/celery/app.ts', 'return [module.at(MODULE), ', 'return ['],
  ['a broker on another port', 'charts/celery/app.ts', '@${component.connect(endpoint)}/${index}`', '@${endpoint.host}:6380/${index}`'],
  [
    'a database that is not connected',
    'charts/celery/app.ts',
    '`http://${component.connect(database.endpoint)}`',
    '`http://${database.endpoint.host}:8529`',
  ],
  ['a beat that overlaps', 'charts/celery-beat.ts', "strategy: 'Recreate'", "strategy: 'RollingUpdate'"],
  ['a schedule off its disk', 'charts/celery-beat.ts', ', props.storage.at(STATE)]', ']'],
  [
    'a worker with no time for its longest task',
    'charts/celery-worker.ts',
    'grace: Duration.seconds(longest + 30)',
    'grace: Duration.seconds(30)',
  ],
  ['a pool that is renamed', 'charts/celery-worker.ts', '`${id}-${pool.name}`', '`worker-${pool.name}`'],
  ['an exporter that nobody may ask', 'charts/celery-exporter.ts', '      ports: PORTS,\n', ''],
  ['no priority', 'charts/setup.ts', 'priorities.forEach((priority, index) => {', 'priorities.slice(1).forEach((priority, index) => {'],
  [
    'a quota that is too small',
    'settings/index.ts',
    'quota: { cpu: units(2), memory: gibibytes(5)',
    'quota: { cpu: units(2), memory: gibibytes(3)',
  ],
  ['a floating tag', 'settings/images.ts', 'redis:7.2.16-alpine', 'redis:7-alpine'],
  ['a key that the list lost', 'charts/secrets.ts', "'secret-key': {\n      format: 'key'", "'signing-key': {\n      format: 'key'"],
  ['an image without a tag', 'settings/images.ts', "app: 'docker.io/platform/celery-app:dev'", "app: 'docker.io/platform/celery-app'"],
];

const copy = mkdtempSync(join(tmpdir(), 'platform-mutate-'));
process.once('exit', () => rmSync(copy, { recursive: true, force: true }));
const tracked = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { encoding: 'utf8' }).split('\n');
for (const file of tracked.filter((name) => /\.(ts|js|json|py|sh|yaml)$/.test(name) && !/^(dist|__snapshots__)\/|\.test\.ts$/.test(name))) {
  cpSync(file, join(copy, file), { recursive: true });
}
symlinkSync(join(process.cwd(), 'node_modules'), join(copy, 'node_modules'));

/** What says no to the copy as it is: the compiler first, then synth. */
function verdict(): string | undefined {
  const compiler = spawnSync('node_modules/.bin/tsc', ['--noEmit'], { cwd: copy, encoding: 'utf8' });
  if (compiler.status !== 0) return `compiler ${/error (TS\d+)/.exec(compiler.stdout)?.[1]}`;
  const synth = spawnSync(process.execPath, ['run.js', 'main.ts'], { cwd: copy, encoding: 'utf8' });
  if (synth.status === 0) return undefined;
  const findings = synth.stderr.trim().split('\n');
  const rules = new Set(findings.flatMap((line) => /\((\w+)\)$/.exec(line)?.[1] ?? []));
  return rules.size > 0 ? `rule ${[...rules].join(', ')}` : `refused: ${findings[0]}`;
}

const healthy = verdict();
if (healthy !== undefined) {
  console.error(`the sources as they are do not pass: ${healthy}`);
  process.exit(2);
}
let survived = 0;
for (const [what, file, from, to] of mutations) {
  const source = readFileSync(join(copy, file), 'utf8');
  const mutant = source.replace(from, () => to);
  if (mutant === source) {
    console.error(`${file} no longer says ${JSON.stringify(from)}: fix the mutation "${what}"`);
    process.exit(2);
  }
  writeFileSync(join(copy, file), mutant);
  const caught = verdict();
  writeFileSync(join(copy, file), source);
  if (caught === undefined) survived++;
  console.log(`${(caught ?? 'SURVIVED').slice(0, 60).padEnd(62)}${file.padEnd(32)}${what}`);
}
console.log(`${mutations.length - survived} of ${mutations.length} mutations caught`);
process.exitCode = survived > 0 ? 1 : 0;
