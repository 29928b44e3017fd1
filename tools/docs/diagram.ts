import { type Manifest, podOf } from '../../lib/render.ts';

/** A path that the policies allow, and so one that is used. */
interface Edge {
  readonly from: string;
  readonly to: string;
  /** The names of the ports, or their numbers where the other side is outside. */
  readonly ports: readonly string[];
  /** What the path is for: `data` flows, or it is `watch`ed whether the other works. */
  readonly kind: 'data' | 'watch';
}

/** What runs, by the name of its component, and who talks to whom. */
export interface Diagram {
  readonly nodes: readonly { readonly name: string; readonly role: string; readonly kind: string }[];
  readonly edges: readonly Edge[];
}

const NAME = 'app.kubernetes.io/name';

/** Reads the diagram off the policies of a profile. */
export function diagramOf(objects: readonly Manifest[]): Diagram {
  const workloads = objects.filter((object) => podOf(object));
  const nodes = workloads
    .map(({ kind, metadata }) => ({
      name: metadata.labels?.[NAME] ?? '',
      role: metadata.labels?.['app.kubernetes.io/component'] ?? '',
      kind,
    }))
    .filter(({ name }, at, all) => all.findIndex((other) => other.name === name) === at);
  const portName = (to: string, number: number, protocol: string) => {
    const ports = workloads
      .filter(({ metadata }) => metadata.labels?.[NAME] === to)
      .flatMap((object) => podOf(object)?.containers.flatMap(({ ports = [] }) => ports) ?? []);
    return ports.find((port) => port.containerPort === number && port.protocol === protocol)?.name ?? `${number}`;
  };
  const watches = new Set(nodes.filter(({ role }) => role === 'metrics' || role === 'discovery').map(({ name }) => name));
  const edges = new Map<string, Edge>();
  const add = (from: string, to: string, port: string) => {
    if (from === to) return;
    const known = edges.get(`${from} ${to}`);
    edges.set(`${from} ${to}`, { from, to, ports: [...(known?.ports ?? []), port], kind: watches.has(from) ? 'watch' : 'data' });
  };
  for (const { metadata, spec } of objects.filter(({ kind }) => kind === 'NetworkPolicy')) {
    for (const { from = [], ports } of spec.ingress ?? []) {
      for (const { podSelector } of from)
        for (const { port, protocol } of ports) add(podSelector.matchLabels[NAME], metadata.name, portName(metadata.name, port, protocol));
    }
    for (const { to = [], ports } of spec.egress ?? []) {
      for (const { ipBlock } of to) if (ipBlock) for (const { port } of ports) add(metadata.name, 'outside', `${port}`);
    }
  }
  return { nodes, edges: [...edges.values()] };
}

/** The paths of data as a Mermaid flowchart, which README viewers draw. */
export function mermaid({ nodes, edges }: Diagram): string {
  const id = (name: string) => name.replaceAll('-', '_');
  const shape = ({ name, kind }: Diagram['nodes'][number]) =>
    kind === 'StatefulSet' ? `${id(name)}[(${name})]` : kind === 'Job' ? `${id(name)}{{${name}}}` : `${id(name)}[${name}]`;
  const data = edges.filter(({ kind }) => kind === 'data');
  const outside = data.some(({ to }) => to === 'outside') ? ['  outside([object storage])'] : [];
  return [
    'flowchart LR',
    ...nodes.map((node) => `  ${shape(node)}`),
    ...outside,
    ...data.map(({ from, to, ports }) => `  ${id(from)} -->|${ports.join(', ')}| ${id(to)}`),
  ].join('\n');
}

const COLOURS: Readonly<Record<string, string>> = { StatefulSet: '#d7e8fa', Deployment: '#e3f3df', Job: '#f5ecd4' };

/** All paths for Graphviz: those of data in full, watching ones in grey. */
export function dot({ nodes, edges }: Diagram): string {
  const lines = [
    'digraph platform {',
    '  graph [rankdir=LR, nodesep=0.25, ranksep=1.1, pad=0.3, bgcolor=white, fontname="sans-serif"]',
    '  node [shape=box, style="rounded,filled", color="#5b6770", fontname="sans-serif", fontsize=13, margin="0.28,0.1"]',
    '  edge [fontname="sans-serif", fontsize=10, color="#37474f", fontcolor="#37474f", arrowsize=0.7]',
    ...nodes.map(({ name, role, kind }) => `  "${name}" [label="${name}\\n${role}", fillcolor="${COLOURS[kind] ?? 'white'}"]`),
    ...(edges.some(({ to }) => to === 'outside') ? ['  "outside" [label="object storage", shape=ellipse, fillcolor="#f4f4f4"]'] : []),
    ...edges.map(
      ({ from, to, ports, kind }) =>
        `  "${from}" -> "${to}" [${kind === 'data' ? `label="${ports.join('\\n')}"` : 'color="#b0bec5", style=dashed, constraint=false'}]`,
    ),
    '}',
  ];
  return lines.join('\n');
}
