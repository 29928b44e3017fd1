import { parseAllDocuments } from 'yaml';
import type { Manifest } from '../lib/render.ts';
import { type Finding, type Platform, PROBES, type Workload } from './platform.ts';

/** An address in a pod's config, arguments or variables. */
export interface Mention {
  readonly host: string;
  /** Absent where only the host is written: it stands for all ports. */
  readonly port?: number;
  readonly object: Manifest;
  readonly field: string;
}

/** The pods and port behind an address. */
export interface Destination {
  readonly workload: Workload;
  /** The container's port. */
  readonly port: number;
  readonly protocol: string;
}

interface PortMapping {
  readonly port: number;
  readonly targetPort: string | number;
  readonly protocol?: string;
}

const LOCAL = /^(localhost|127\.0\.0\.1|0\.0\.0\.0)$/;

const known = new WeakMap<Workload, readonly Mention[]>();

/** Every address that the workload uses. */
export function mentions(workload: Workload): readonly Mention[] {
  const found = known.get(workload) ?? read(workload);
  known.set(workload, found);
  return found;
}

function read({ object, containers, configs }: Workload): readonly Mention[] {
  const found: Mention[] = [];
  const add = (text: string, owner: Manifest, field: string) => {
    for (const [, host = '', port] of text.matchAll(
      /(?<![\w.$%{-])((?:[a-z][a-z0-9.-]*[a-z0-9])|\d+\.\d+\.\d+\.\d+):(\d{2,5})(?![\w.:]*[a-z])/g,
    )) {
      found.push({ host, port: Number(port), object: owner, field });
    }
    for (const [, host = ''] of text.matchAll(/(?<![\w.-])([a-z][a-z0-9.-]*\.svc\.cluster\.local)(?![\w:.-])/g))
      found.push({ host, object: owner, field });
    // A URL without a port uses the default port of its scheme.
    for (const [, scheme, host = ''] of text.matchAll(/\b(https?):\/\/([a-z][a-z0-9-]*)(?=["'/\s]|$)/g)) {
      found.push({ host, port: scheme === 'https' ? 443 : 80, object: owner, field });
    }
  };
  for (const { container, field } of containers) {
    for (const { name, value } of container.env ?? []) add(value ?? '', object, `${field}.env.${name}`);
    for (const text of [...(container.command ?? []), ...(container.args ?? [])]) add(text, object, `${field}.args`);
    for (const probe of PROBES) add(container[probe]?.exec?.command.join(' ') ?? '', object, `${field}.${probe}`);
  }
  for (const config of configs) {
    for (const [key, text] of Object.entries<string>(config.data)) {
      add(text, config, `data.${key}`);
      if (/\.ya?ml$/.test(key))
        for (const { names, port } of discoveries(text))
          found.push(...names.map((host) => ({ host, port, object: config, field: `data.${key}` })));
    }
  }
  return found;
}

/** Prometheus' DNS discovery, which has names and port in separate fields. */
function discoveries(text: string): { names: string[]; port: number }[] {
  const found: { names: string[]; port: number }[] = [];
  const walk = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    const { names, port } = value as { names?: unknown; port?: unknown };
    if (Array.isArray(names) && typeof port === 'number') found.push({ names: names.map(String), port });
    Object.values(value).forEach(walk);
  };
  if (text.includes('dns_sd_configs')) for (const document of parseAllDocuments(text)) walk(document.toJS());
  return found;
}

/** The pods and ports behind an address: none outside the cluster, undefined if it does not resolve. */
export function resolve(platform: Platform, from: Workload, { host, port }: Mention): readonly Destination[] | undefined {
  if (LOCAL.test(host)) {
    const declared = from.pod.containers.flatMap(({ ports = [] }) => ports).filter(({ containerPort }) => containerPort === port);
    return declared.length > 0 ? [] : undefined;
  }
  if (platform.facts.externals.some((external) => external === `${host}:${port}`)) return [];
  const namespace = from.object.metadata.namespace ?? '';
  const [name = '', pod, ...more] = host
    .replace(new RegExp(`\\.${namespace}(\\.svc(\\.cluster\\.local)?)?$`), '')
    .split('.')
    .reverse();
  const service = more.length === 0 ? platform.find('Service', name) : undefined;
  const workloads = platform
    .selected(service?.spec.selector)
    .filter(({ object, replicas }) => !pod || isPodOf(pod, object, replicas, name));
  const destinations = workloads.flatMap((workload) => {
    const declared = workload.pod.containers.flatMap(({ ports = [] }) => ports);
    // A pod's own name resolves to the pod, with all its ports.
    const wanted: readonly PortMapping[] = pod
      ? declared.map(({ name, containerPort, protocol }) => ({ port: containerPort, targetPort: name, protocol }))
      : (service?.spec.ports ?? []);
    return wanted.flatMap((each) => {
      const target = declared.find(
        ({ name, containerPort, protocol }) =>
          (name === each.targetPort || containerPort === each.targetPort) && protocol === each.protocol,
      );
      return target && (port === undefined || each.port === port)
        ? [{ workload, port: target.containerPort, protocol: target.protocol ?? 'TCP' }]
        : [];
    });
  });
  return destinations.length > 0 ? destinations : undefined;
}

function isPodOf(pod: string, { kind, metadata, spec }: Manifest, replicas: number, service: string): boolean {
  const ordinal = /-(\d+)$/.exec(pod);
  return (
    kind === 'StatefulSet' && spec.serviceName === service && pod === `${metadata.name}${ordinal?.[0]}` && Number(ordinal?.[1]) < replicas
  );
}

/** Every `host:port` in a config, an argument or a variable is a port of a Service or a declared external address. */
export function* addresses(platform: Platform): Iterable<Finding> {
  for (const workload of platform.workloads) {
    for (const mention of mentions(workload)) {
      if (resolve(platform, workload, mention)) continue;
      const { host, port } = mention;
      const at = { object: mention.object, field: mention.field };
      yield LOCAL.test(host)
        ? {
            ...at,
            wrong: `no container of ${workload.object.metadata.name} declares the port of ${host}:${port}`,
            fix: 'declare the port, or use a declared one',
          }
        : {
            ...at,
            wrong: `${host}${port === undefined ? '' : `:${port}`} is no Service and port of this profile`,
            fix: 'take the address from component.connect, or from component.connectExternal if it is outside the cluster',
          };
    }
  }
}
