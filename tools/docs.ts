import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { program } from 'commander';
import { build } from '../build.ts';
import { secrets } from '../charts/secrets.ts';
import type { Settings } from '../charts/settings.ts';
import { amountOf } from '../lib/quantity.ts';
import { claimTemplates, type Manifest } from '../lib/render.ts';
import { Platform } from '../rules/platform.ts';
import { profiles } from '../settings/index.ts';
import { type Diagram, diagramOf, mermaid } from './docs/diagram.ts';
import { differences, settingsOf, values } from './docs/settings.ts';
import { code, cores, size, table } from './docs/table.ts';

program.name('npm run docs --').description('Writes docs/reference.md and the diagram in README.md.').parse();

/** The objects of each profile, without those of optional APIs and the smoke test. */
const built = Object.entries<Settings>(profiles).map(([name, settings]) => {
  const { setup, platform } = build(settings);
  return { name, settings, objects: [...setup, ...platform] };
});
const [dev, prod] = built;
if (!dev || !prod) throw new Error('settings/index.ts must have two profiles to compare');

/** Every setting with its value in each profile. */
function settings(): string {
  const files = ['charts', 'charts/celery', 'lib'].flatMap((folder) => readdirSync(folder).map((name) => `${folder}/${name}`));
  const sources = files.filter((name) => /(?<!\.test)\.ts$/.test(name)).map((name) => [name, readFileSync(name, 'utf8')]);
  const set = built.map(({ settings }) => values(settings));
  const rows = settingsOf(Object.fromEntries(sources), 'Settings').map(({ path, type, required, comment, fallback }) => {
    const shown = set.map((known) => known.get(path) ?? known.get(path.replaceAll('[]', '[0]')) ?? '');
    return [code(path), code(type), [comment, ...(required ? [] : [`Default: ${fallback || 'none'}.`])].join(' ').trim(), ...shown];
  });
  return table(['setting', 'type', 'description', ...built.map(({ name }) => name)], rows);
}

/** The callers of each port. */
function connections({ edges }: Diagram): string {
  const rows = new Map<string, [to: string, port: string, number: string, from: string[]]>();
  for (const { from, to, ports, numbers } of edges) {
    for (const [at, number] of numbers.entries()) {
      const row = rows.get(`${to} ${number}`) ?? [to, ports[at] ?? '', number, []];
      rows.set(`${to} ${number}`, row);
      row[3].push(code(from));
    }
  }
  const sorted = [...rows.values()].sort(([a], [b]) => a.localeCompare(b));
  return table(
    ['to', 'port', 'number', 'from'],
    sorted.map(([to, port, number, from]) => [code(to), code(port), number, from.join(', ')]),
  );
}

/** The requests and limits of each workload, and the sums. */
function workloads(objects: readonly Manifest[]): string {
  const platform = new Platform(objects);
  const mebibytes = (claim: Manifest | undefined) => amountOf(claim?.spec.resources.requests.storage) / 2 ** 20;
  const rows = platform.workloads.map(({ object, pod, labels, replicas }) => {
    const sum = (kind: 'requests' | 'limits', resource: string) =>
      replicas * pod.containers.reduce((all, { resources }) => all + amountOf(resources[kind][resource]), 0);
    const claims = (pod.volumes ?? []).flatMap(({ persistentVolumeClaim: volume }) =>
      volume ? [mebibytes(platform.find('PersistentVolumeClaim', volume.claimName))] : [],
    );
    const templates = claimTemplates(object).map((claim) => replicas * mebibytes(claim as Manifest));
    const amounts = [
      sum('requests', 'cpu'),
      sum('limits', 'cpu'),
      sum('requests', 'memory') / 2 ** 20,
      [...claims, ...templates].reduce((all, each) => all + each, 0),
    ];
    // A Job's name ends in a hash.
    const name = object.kind === 'Job' ? (labels['app.kubernetes.io/name'] ?? '') : object.metadata.name;
    return { cells: [code(name), object.kind, `${replicas}`], amounts };
  });
  const formatted = ([cpu = 0, limit = 0, memory = 0, disk = 0]: readonly number[]) => [
    cores(cpu),
    cores(limit),
    size(memory),
    disk > 0 ? size(disk) : '',
  ];
  const totals = [0, 1, 2, 3].map((at) => rows.reduce((all, { amounts }) => all + (amounts[at] ?? 0), 0));
  return table(
    ['workload', 'kind', 'pods', 'CPU request', 'CPU limit', 'memory request and limit', 'disk'],
    [...rows.map(({ cells, amounts }) => [...cells, ...formatted(amounts)]), ['all', '', '', ...formatted(totals)]],
  );
}

/** The number of objects of each kind. */
function kinds(): string {
  const all = [...new Set(built.flatMap(({ objects }) => objects.map(({ kind }) => kind)))].sort();
  return table(
    ['kind', ...built.map(({ name }) => name)],
    all.map((kind) => [kind, ...built.map(({ objects }) => `${objects.filter((object) => object.kind === kind).length}`)]),
  );
}

/** Every Secret key with its purpose, format and readers. */
function keys(): string {
  const rows = Object.values(secrets).flatMap(({ name, keys }) =>
    Object.entries(keys).map(([key, { format, purpose, readers }]) => [
      code(name),
      code(key),
      format,
      purpose,
      readers.map(code).join(', '),
    ]),
  );
  return table(['Secret', 'key', 'format', 'purpose', 'read by'], rows);
}

const diagram = diagramOf(prod.objects);
const mermaidBlock = (watch: boolean) => `\`\`\`mermaid\n${mermaid(diagram, { watch })}\n\`\`\``;
const differing = differences([dev.name, dev.settings], [prod.name, prod.settings]);

writeFileSync(
  'docs/reference.md',
  `<!-- Written by npm run docs. -->

# Reference

## Settings

The values in [settings/index.ts](../settings/index.ts); see [profiles.md](profiles.md) to add a profile. Of a list, the first element is shown.

${settings()}

## Differences between the profiles

${differing.map((sentence) => `- ${sentence}`).join('\n')}

## Allowed connections

Each row is a NetworkPolicy rule on both sides; the only other rule is DNS. This is \`prod\`; \`dev\` lacks the cache and object storage.
Dotted arrows are scrapes and health checks.

${mermaidBlock(true)}

${connections(diagram)}

From outside the cluster, \`kubectl port-forward\` reaches every Service.

## Secrets

${keys()}

${built.map(({ name, objects }) => `## Workloads of ${name}\n\n${workloads(objects)}\n`).join('\n')}
## Objects

${kinds()}
`,
);
const readme = readFileSync('README.md', 'utf8');
const block = /(<!-- diagram: npm run docs -->\n)[\s\S]*?(\n<!-- end -->)/;
writeFileSync(
  'README.md',
  readme.replace(block, (_, begin, end) => `${begin}${mermaidBlock(false)}${end}`),
);
