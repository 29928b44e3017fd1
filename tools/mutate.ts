import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { program } from 'commander';

program
  .name('npm run mutate --')
  .description('Makes one small mistake in the sources at a time and prints the check that catches it. Fails if a mistake survives.')
  .parse();

/** The mistakes in each file: a text or pattern, and its replacement. */
const mutations: Readonly<Record<string, readonly (readonly [what: string, from: string | RegExp, to: string])[]>> = {
  'charts/arangodb.ts': [
    [
      'another port in a Service',
      'const service = component.serve(PORTS, { headless: true, publishNotReadyAddresses: true });',
      'const service = component.serve({ arangodb: 8530 }, { headless: true, publishNotReadyAddresses: true });',
    ],
    [
      'a password file that is not mounted',
      "secret.mount('root-password', 'password', 'metrics-password')",
      "secret.mount('root-password', 'password')",
    ],
    ['a renamed key', "secret.path('metrics-password')", "secret.path('password')"],
    ['a Job without its script', "mounts: [script.mount('/opt/platform'), ", 'mounts: ['],
    ['a host by hand', '`http://${bootstrapper.connect(service.endpoints.arangodb)}`', "'http://arangodb:8529'"],
    ['a probe of an unknown port', "liveness: tcp('arangodb')", "liveness: tcp('http')"],
  ],
  'charts/redis.ts': [
    ['no disk', "...(disk ? [volumeClaimTemplate('/data', 'data', disk, shared)] : [])", ''],
    ['another claim', "volumeClaimTemplate('/data', 'data',", "volumeClaimTemplate('/data', 'store',"],
    ['a config in another folder', "file.mount('/etc/redis')", "file.mount('/etc/redis.d')"],
    ['an exporter that uses another port', '`redis://localhost:${PORTS.redis}`', "'redis://localhost:6380'"],
    ['a Service that is not headless', 'component.serve(PORTS, { headless: true })', 'component.serve(PORTS)'],
    ['a grace period too short to save', 'disk ? 30 + Math.ceil(maxmemory / 20) : 30', '5'],
  ],
  'charts/consul.ts': [
    ['members without connections', 'component.connectSelf(...Object.values(MEMBERS));', ''],
    ['a watched service without a connection', '      component.connect(endpoint);\n', ''],
    ['a script of another name', "'/etc/consul/start.sh'", "'/etc/consul/run.sh'"],
    ['a secret that the start script needs', "secret.mount('gossip-key', 'management-token', 'agent-token')", "secret.mount('gossip-key')"],
    ['an unlisted token', "tokenFile: secret.path('metrics-token')", "tokenFile: secret.path('metric-token')"],
    [
      'a missing memoryDir',
      "            memoryDir('/run/platform', 'memory', Size.mebibytes(1)),\n            volumeClaimTemplate",
      '            volumeClaimTemplate',
    ],
    ['a server that is ready before it votes', '...(servers > 1 && { successThreshold: 4 }),', ''],
    ['servers under another Service', '      service: members,', '      service: api,'],
  ],
  'charts/tempo.ts': [
    ['a disk that is not mounted', "props.storage.mount('/var/tempo'), ", ''],
    ['remote write to a wrong port', '`http://${metricStore}/api/v1/write`', "'http://prometheus:9091/api/v1/write'"],
    ['a rollout with two Tempos', "strategy: 'Recreate'", "strategy: 'RollingUpdate'"],
    ['a receiver on a port that is not declared', "`0.0.0.0:${PORTS['otlp-grpc']}`", "'0.0.0.0:4327'"],
    ['no policy for the bucket', 'if (bucket) component.connectExternal(bucket.endpoint);', ''],
  ],
  'charts/loki.ts': [
    ['a grace period too short to flush', 'grace: Duration.minutes(5)', 'grace: Duration.seconds(30)'],
    ['a config file of another name', "'-config.file=/etc/loki/loki.yaml'", "'-config.file=/etc/loki/config.yaml'"],
    ['a missing container port', 'ports: PORTS,\n', 'ports: { http: 3100 },\n'],
  ],
  'charts/prometheus.ts': [
    ['an unknown target', '`${host}:${port}`', '`${host}:${port + 1}`'],
    ['scraping without a connection', '      this.component.connect(endpoint);\n', ''],
    ['a login that is not mounted', "            props.secrets.consul.mount('metrics-token'),\n", ''],
  ],
  'charts/otel-collector.ts': [
    ['an unused connection', '`http://${logs}/otlp`', "'http://127.0.0.1:13133/otlp'"],
    ['logs to an unknown host', '`http://${logs}/otlp`', "'http://loki-gateway:3100/otlp'"],
    ['health on a port that is not declared', '`0.0.0.0:${HEALTH.health}`', "'0.0.0.0:13134'"],
  ],
  'charts/index.ts': [
    ['metrics that are not scraped', 'prometheus.metrics, collector.metrics, exporter.metrics,', 'prometheus.metrics, exporter.metrics,'],
    ['spans to a store of logs', '    traces: tempo.spans,', '    traces: loki.loki,'],
    ['a broker that is a database', '    broker: redis.database(0),', '    broker: arangodb.app,'],
    ['a missing component', '    metricStore: prometheus.prometheus,\n    bucketSecret', '    bucketSecret'],
    ['a missing disk', "    storage: setup.disk('grafana', settings.grafana.disk),\n", ''],
    [
      'a disk of another workload',
      "setup.disk('celery-beat', settings.celeryBeat.disk)",
      "setup.disk('grafana', settings.celeryBeat.disk)",
    ],
  ],
  'charts/grafana/datasources.ts': [
    ['a uid that is not provisioned', "serviceMap: { datasourceUid: 'prometheus' }", "serviceMap: { datasourceUid: 'prom' }"],
  ],
  'charts/grafana.ts': [
    ['dashboards that are not mounted', "            dashboards.mount('/etc/grafana/dashboards'),\n", ''],
    ['two Grafanas on one SQLite', "strategy: 'Recreate'", "strategy: 'RollingUpdate'"],
    ['a password in a variable', "GF_USERS_ALLOW_SIGN_UP: 'false'", "GF_USERS_ALLOW_SIGN_UP: 'false', GF_SECURITY_ADMIN_PASSWORD: 'admin'"],
  ],
  'charts/celery/app.ts': [
    ['a worker without the module', 'return [module.mount(MODULE_FOLDER), ', 'return ['],
    ['a broker on another port', '@${component.connect(endpoint)}/${index}`', '@${endpoint.host}:6380/${index}`'],
    ['a database without a connection', '`http://${component.connect(database.endpoint)}`', '`http://${database.endpoint.host}:8529`'],
  ],
  'charts/celery-beat.ts': [
    ['a beat that overlaps', "strategy: 'Recreate'", "strategy: 'RollingUpdate'"],
    ['a schedule off its disk', ', props.storage.mount(STATE)]', ']'],
  ],
  'charts/celery-worker.ts': [
    ['a grace period too short for the longest task', 'grace: Duration.seconds(longest + 30)', 'grace: Duration.seconds(30)'],
    ['a renamed pool', '`${id}-${pool.name}`', '`worker-${pool.name}`'],
  ],
  'charts/celery-exporter.ts': [['an exporter without a port', '      ports: PORTS,\n', '']],
  'charts/setup.ts': [['no priority', 'priorities.forEach((priority, index) => {', 'priorities.slice(1).forEach((priority, index) => {']],
  'settings/index.ts': [
    ['a quota too small', 'quota: { cpu: units(2), memory: gibibytes(5)', 'quota: { cpu: units(2), memory: gibibytes(3)'],
  ],
  'settings/images.ts': [
    ['a floating tag', /library\/redis:[\w.-]+/, 'library/redis:7-alpine'],
    ['an image without a tag', "app: 'docker.io/platform/celery-app:dev'", "app: 'docker.io/platform/celery-app'"],
  ],
  'charts/secrets.ts': [['a renamed key in the list', "'secret-key': {\n      format: 'key'", "'signing-key': {\n      format: 'key'"]],
};

const copy = mkdtempSync(join(tmpdir(), 'platform-mutate-'));
process.once('exit', () => rmSync(copy, { recursive: true, force: true }));
const tracked = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { encoding: 'utf8' }).split('\n');
for (const file of tracked.filter((name) => /\.(ts|js|json|py|sh|yaml)$/.test(name) && !/^(dist|__snapshots__)\/|\.test\.ts$/.test(name)))
  cpSync(file, join(copy, file), { recursive: true });
symlinkSync(join(process.cwd(), 'node_modules'), join(copy, 'node_modules'));

/** The first check that fails in the copy, if any: the compiler, then synth. */
function failure(): string | undefined {
  const compiler = spawnSync('node_modules/.bin/tsc', ['--noEmit'], { cwd: copy, encoding: 'utf8' });
  if (compiler.status !== 0) return `compiler ${/error (TS\d+)/.exec(compiler.stdout)?.[1]}`;
  const synth = spawnSync(process.execPath, ['run.js', 'main.ts'], { cwd: copy, encoding: 'utf8' });
  if (synth.status === 0) return undefined;
  const findings = synth.stderr.trim().split('\n');
  const rules = new Set(findings.flatMap((line) => /\((\w+)\)$/.exec(line)?.[1] ?? []));
  return rules.size > 0 ? `rule ${[...rules].join(', ')}` : `validation ${findings[0]}`;
}

const unchanged = failure();
if (unchanged !== undefined) throw new Error(`the unchanged sources fail already: ${unchanged}`);
const all = Object.entries(mutations).flatMap(([file, each]) => each.map(([what, from, to]) => ({ file, what, from, to })));
let survived = 0;
for (const { file, what, from, to } of all) {
  const source = readFileSync(join(copy, file), 'utf8');
  const mutant = source.replace(from, () => to);
  if (mutant === source) throw new Error(`${file} has no ${from}: fix the mutation "${what}"`);
  writeFileSync(join(copy, file), mutant);
  const caught = failure();
  writeFileSync(join(copy, file), source);
  if (caught === undefined) survived++;
  console.log(`${(caught ?? 'SURVIVED').slice(0, 60).padEnd(62)}${file.padEnd(32)}${what}`);
}
console.log(`${all.length - survived} of ${all.length} mutations caught`);
process.exitCode = survived > 0 ? 1 : 0;
