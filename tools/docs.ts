import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { instance } from '@viz-js/viz';
import { build } from '../build.ts';
import { secrets } from '../charts/secrets.ts';
import type { Settings } from '../charts/settings.ts';
import { amountOf } from '../lib/quantity.ts';
import { type Manifest, podOf } from '../lib/render.ts';
import { Platform } from '../rules/platform.ts';
import { profiles } from '../settings/index.ts';
import { diagramOf, dot, mermaid } from './docs/diagram.ts';
import { differences, settingsOf, values } from './docs/settings.ts';
import { code, cores, size, table } from './docs/table.ts';

// Writes what can be read off the program: the diagram in the README, docs/platform.svg and docs/reference.md.

const NAME = 'app.kubernetes.io/name';

/** The objects of each profile, without those of optional APIs and the smoke test. */
const built = Object.entries<Settings>(profiles).map(([name, settings]) => {
  const { setup, platform } = build(settings);
  return { name, settings, objects: [...setup, ...platform] };
});

/** Every setting with what each profile makes of it. */
function settings(): string {
  const files = [...['charts', 'charts/celery', 'lib'].flatMap((folder) => readdirSync(folder).map((name) => `${folder}/${name}`))];
  const sources = files.filter((name) => /(?<!\.test)\.ts$/.test(name)).map((name) => [name, readFileSync(name, 'utf8')]);
  const set = built.map(({ settings }) => values(settings));
  const rows = settingsOf(Object.fromEntries(sources), 'Settings').map(({ path, type, required, comment, fallback }) => {
    const shown = set.map((known) => known.get(path) ?? known.get(path.replaceAll('[]', '[0]')) ?? '');
    return [code(path), code(type), [comment, ...(required ? [] : [`Default: ${fallback || 'none'}.`])].join(' ').trim(), ...shown];
  });
  return table(['setting', 'type', 'what it is', ...built.map(({ name }) => name)], rows);
}

/** Who may call whom, on which port. */
function paths(objects: readonly Manifest[]): string {
  const { edges } = diagramOf(objects);
  const targets = [...new Set(edges.map(({ to }) => to))].sort();
  const rows = targets.flatMap((to) => {
    const callers = edges.filter((edge) => edge.to === to);
    const ports = [...new Set(callers.flatMap((edge) => edge.ports))];
    return ports.map((port) => [
      code(to),
      code(port),
      number(objects, to, port),
      callers
        .filter((edge) => edge.ports.includes(port))
        .map(({ from }) => code(from))
        .join(', '),
    ]);
  });
  return table(['to', 'port', 'number', 'from'], rows);
}

function number(objects: readonly Manifest[], component: string, name: string): string {
  const ports = objects
    .filter(({ metadata }) => metadata.labels?.[NAME] === component)
    .flatMap((object) => podOf(object)?.containers.flatMap(({ ports = [] }) => ports) ?? []);
  const port = ports.find((each) => each.name === name);
  return port ? `${port.containerPort}/${port.protocol}` : name;
}

/** What each workload reserves and may use, and the sums. */
function workloads(objects: readonly Manifest[]): string {
  const claim = (name: string) => objects.find(({ kind, metadata }) => kind === 'PersistentVolumeClaim' && metadata.name === name)?.spec;
  const { workloads } = new Platform(objects);
  const mebibytes = (text: string | undefined) => amountOf(text) / 2 ** 20;
  const rows = workloads.map(({ object, pod, replicas }) => {
    const sum = (kind: 'requests' | 'limits', resource: string) =>
      replicas * pod.containers.reduce((all, { resources }) => all + amountOf(resources[kind][resource]), 0);
    const templates = (object.spec.volumeClaimTemplates ?? []).map(
      ({ spec }: { spec: { resources: { requests: { storage: string } } } }) => replicas * mebibytes(spec.resources.requests.storage),
    );
    const claimed = (pod.volumes ?? []).flatMap(({ persistentVolumeClaim: volume }) =>
      volume ? [mebibytes(claim(volume.claimName)?.resources.requests.storage)] : [],
    );
    const disk = [...templates, ...claimed].reduce((all, each) => all + each, 0);
    // A Job's name ends in what it runs, which is of no interest here.
    const name = object.kind === 'Job' ? (object.metadata.labels?.[NAME] ?? '') : object.metadata.name;
    const cpu = sum('requests', 'cpu');
    return { kind: object.kind, name, replicas, cpu, limit: sum('limits', 'cpu'), memory: sum('requests', 'memory') / 2 ** 20, disk };
  });
  const total = (field: 'cpu' | 'limit' | 'memory' | 'disk') => rows.reduce((all, row) => all + row[field], 0);
  return table(
    ['workload', 'kind', 'pods', 'CPU reserved', 'CPU limit', 'memory, reserved and limit', 'disk'],
    [
      ...rows.map(({ kind, name, replicas, cpu, limit, memory, disk }) => [
        code(name),
        kind,
        `${replicas}`,
        cores(cpu),
        cores(limit),
        size(memory),
        disk > 0 ? size(disk) : '',
      ]),
      ['all', '', '', cores(total('cpu')), cores(total('limit')), size(total('memory')), size(total('disk'))],
    ],
  );
}

/** How many objects there are of each kind. */
function kinds(): string {
  const all = [...new Set(built.flatMap(({ objects }) => objects.map(({ kind }) => kind)))].sort();
  return table(
    ['kind', ...built.map(({ name }) => name)],
    all.map((kind) => [kind, ...built.map(({ objects }) => `${objects.filter((object) => object.kind === kind).length}`)]),
  );
}

/** Every key with its purpose, how it is made and who reads it. */
function keys(): string {
  const rows = Object.values(secrets).flatMap((secret) =>
    Object.entries(secret.keys).map(([key, { format, purpose, readers }]) => [
      code(secret.name),
      code(key),
      format,
      purpose,
      readers.map(code).join(', '),
    ]),
  );
  return table(['Secret', 'key', 'format', 'what it opens', 'read by'], rows);
}

function difference(): string {
  const [one, other] = built;
  if (!one || !other) return '';
  return differences([one.name, one.settings], [other.name, other.settings])
    .map((sentence) => `- ${sentence}`)
    .join('\n');
}

const reference = `<!-- Written by npm run docs. -->

# Reference

## Settings

What [settings/index.ts](../settings/index.ts) decides; see [profiles.md](profiles.md) for one of your own. Of a list, the first element is shown.

${settings()}

## What differs between the profiles

${difference()}

## Who may call whom

Each row is a NetworkPolicy rule on both sides; there are no others but DNS. This is \`prod\`; \`dev\` lacks the cache and object storage.

![the platform](platform.svg)

${paths(built.at(-1)?.objects ?? [])}

From outside the cluster, \`kubectl port-forward\` reaches every Service.

## Secrets

${keys()}

${built.map(({ name, objects }) => `## What ${name} runs\n\n${workloads(objects)}\n`).join('\n')}
## Objects

${kinds()}
`;

async function write(): Promise<void> {
  const diagram = diagramOf(built.at(-1)?.objects ?? []);
  const viz = await instance();
  writeFileSync('docs/platform.svg', viz.renderString(dot(diagram), { format: 'svg' }));
  writeFileSync('docs/reference.md', reference);
  const readme = readFileSync('README.md', 'utf8');
  const drawn = readme.replace(
    /(<!-- diagram: npm run docs -->\n)[\s\S]*?(\n<!-- end -->)/,
    (_, begin, end) => `${begin}\`\`\`mermaid\n${mermaid(diagram)}\n\`\`\`${end}`,
  );
  writeFileSync('README.md', drawn);
}

void write();
