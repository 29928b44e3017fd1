import type { Manifest } from '../../lib/render.ts';
import { Platform } from '../../rules/platform.ts';

/** A connection that the policies allow. */
interface Edge {
  readonly from: string;
  readonly to: string;
  /** The names of the ports, or their numbers outside the cluster. */
  readonly ports: readonly string[];
  /** Their numbers, such as `6379/TCP`. */
  readonly numbers: readonly string[];
  /** Whether it carries data or monitors the other side. */
  readonly kind: 'data' | 'watch';
}

/** The components and their connections. */
export interface Diagram {
  readonly nodes: readonly { readonly name: string; readonly role: string; readonly kind: string }[];
  readonly edges: readonly Edge[];
}

const NAME = 'app.kubernetes.io/name';
const OUTSIDE = 'outside';

/** Reads the diagram from the workloads and policies of a profile. */
export function diagramOf(objects: readonly Manifest[]): Diagram {
  const platform = new Platform(objects);
  const byName = new Map(platform.workloads.map((workload) => [workload.object.metadata.labels?.[NAME] ?? '', workload]));
  const nodes = [...byName].map(([name, { object }]) => {
    return { name, role: object.metadata.labels?.['app.kubernetes.io/component'] ?? '', kind: object.kind };
  });
  const watchers = nodes.filter(({ role }) => role === 'metrics' || role === 'discovery').map(({ name }) => name);
  const edges = new Map<string, Edge>();
  const add = (from: string, to: string, { port, protocol }: { port: number; protocol: string }) => {
    if (from === to) return;
    const declared = byName.get(to)?.pod.containers.flatMap(({ ports = [] }) => ports) ?? [];
    const name = declared.find((each) => each.containerPort === port && each.protocol === protocol)?.name ?? `${port}`;
    const { ports = [], numbers = [] } = edges.get(`${from} ${to}`) ?? {};
    const kind = watchers.includes(from) ? 'watch' : 'data';
    edges.set(`${from} ${to}`, { from, to, ports: [...ports, name], numbers: [...numbers, `${port}/${protocol}`], kind });
  };
  for (const { metadata, spec } of platform.of('NetworkPolicy')) {
    for (const { from = [], ports } of spec.ingress ?? [])
      for (const { podSelector } of from) for (const port of ports) add(podSelector.matchLabels[NAME], metadata.name, port);
    for (const { to = [], ports } of spec.egress ?? [])
      for (const { ipBlock } of to) if (ipBlock) for (const port of ports) add(metadata.name, OUTSIDE, port);
  }
  return { nodes, edges: [...edges.values()] };
}

/** A Mermaid flowchart of the connections that carry data, with `watch` also of monitoring, as dotted arrows. */
export function mermaid({ nodes, edges }: Diagram, { watch }: { readonly watch: boolean }): string {
  const id = (name: string) => name.replaceAll('-', '_');
  const shapes: Readonly<Record<string, readonly [string, string]>> = { StatefulSet: ['[(', ')]'], Job: ['{{', '}}'] };
  const shown = edges.filter(({ kind }) => watch || kind === 'data');
  return [
    'flowchart LR',
    ...nodes.map(({ name, kind }) => `  ${id(name)}${(shapes[kind] ?? ['[', ']']).join(name)}`),
    ...(shown.some(({ to }) => to === OUTSIDE) ? [`  ${OUTSIDE}([object storage])`] : []),
    ...shown.map(({ from, to, ports, kind }) => {
      const arrow = kind === 'watch' ? '-.->' : `-->|${ports.join(', ')}|`;
      return `  ${id(from)} ${arrow} ${id(to)}`;
    }),
  ].join('\n');
}
