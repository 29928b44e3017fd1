import { type Mention, mentions, resolve } from './addresses.ts';
import { type Finding, matches, type Platform, type Workload } from './platform.ts';

interface PolicyPort {
  readonly port: number;
  readonly protocol: string;
}
interface PolicyRule {
  readonly ports?: readonly PolicyPort[];
  readonly to?: readonly PolicyPeer[];
  readonly from?: readonly PolicyPeer[];
}
interface PolicyPeer {
  readonly podSelector?: { readonly matchLabels?: Readonly<Record<string, string>> };
  readonly namespaceSelector?: object;
  readonly ipBlock?: { readonly cidr: string };
}

type Pods = Pick<Workload, 'labels'>;

/** Reports whether the policies of `workload` allow traffic with `other` on `port`. */
export function allows(platform: Platform, workload: Pods, way: 'egress' | 'ingress', other: Pods, port: PolicyPort): boolean {
  return platform.of('NetworkPolicy').some(({ spec }) => {
    if (!matches(spec.podSelector.matchLabels ?? {}, workload.labels)) return false;
    const rules: readonly PolicyRule[] = spec[way] ?? [];
    return rules.some(
      (rule) =>
        (rule.to ?? rule.from ?? []).some(
          ({ podSelector, namespaceSelector }) => podSelector && !namespaceSelector && matches(podSelector.matchLabels ?? {}, other.labels),
        ) && (rule.ports ?? []).some((each) => each.port === port.port && each.protocol === port.protocol),
    );
  });
}

/** Reports whether a policy of the workload allows `port` outside the cluster. */
function allowsExternal(platform: Platform, workload: Workload, port: number): boolean {
  return platform.of('NetworkPolicy').some(({ spec }) => {
    const rules: readonly PolicyRule[] = spec.egress ?? [];
    return (
      matches(spec.podSelector.matchLabels ?? {}, workload.labels) &&
      rules.some(({ to = [], ports = [] }) => to.some(({ ipBlock }) => ipBlock) && ports.some((each) => each.port === port))
    );
  });
}

/** The policies of both sides allow every address that a workload uses. */
export function* openPaths(platform: Platform): Iterable<Finding> {
  for (const workload of platform.workloads) {
    for (const mention of mentions(workload)) {
      const { object, field } = mention;
      for (const { workload: other, ...port } of resolve(platform, workload, mention) ?? []) {
        // A host without a port matters only among the members of one workload.
        if (mention.port === undefined && other !== workload) continue;
        if (other === workload && workload.replicas === 1) continue;
        const [from, to] = [workload.object.metadata.name, other.object.metadata.name];
        const wrong = (policy: string, way: string) =>
          `${from} uses ${to} ${port.port}/${port.protocol}, and the ${way} rules of ${policy} do not allow it`;
        const fix = 'take the address from component.connect, which opens the path on both sides';
        if (!allows(platform, workload, 'egress', other, port)) yield { object, field, wrong: wrong(from, 'egress'), fix };
        if (!allows(platform, other, 'ingress', workload, port)) yield { object, field, wrong: wrong(to, 'ingress'), fix };
      }
    }
    for (const external of platform.facts.externals) {
      const [host = '', port] = external.split(':');
      if (!workload.texts.some((text) => text.includes(host)) || allowsExternal(platform, workload, Number(port))) continue;
      const { object } = workload;
      yield {
        object,
        field: 'spec.template.spec',
        wrong: `its config has ${host}, and no policy allows egress to port ${port}`,
        fix: 'take the address from component.connectExternal',
      };
    }
  }
}

/** No policy allows a connection that no workload uses. */
export function* usedPaths(platform: Platform): Iterable<Finding> {
  const named = platform.workloads.map((workload) => ({ workload, mentions: mentions(workload) }));
  const uses = (from: Workload, to: Workload, { port, protocol }: PolicyPort, all: readonly Mention[]) =>
    all.some(
      (mention) =>
        (mention.port !== undefined || from === to) &&
        resolve(platform, from, mention)?.some((end) => end.workload === to && end.port === port && end.protocol === protocol),
    );
  const usesExternal = (port: PolicyPort, all: readonly Mention[], texts: readonly string[]) =>
    platform.facts.externals.some(
      (external) =>
        external.endsWith(`:${port.port}`) &&
        (all.some(({ host }) => external.startsWith(`${host}:`)) ||
          texts.some((text) => text.includes(external.split(':')[0] ?? external))),
    );

  for (const policy of platform.of('NetworkPolicy')) {
    const guarded = named.filter(({ workload }) => matches(policy.spec.podSelector.matchLabels ?? {}, workload.labels));
    for (const way of ['egress', 'ingress'] as const) {
      const rules: readonly PolicyRule[] = policy.spec[way] ?? [];
      for (const [at, rule] of rules.entries()) {
        for (const { podSelector, namespaceSelector, ipBlock } of rule.to ?? rule.from ?? []) {
          // Every pod may use DNS.
          if (namespaceSelector) continue;
          const others = named.filter(({ workload }) => matches(podSelector?.matchLabels ?? {}, workload.labels));
          for (const port of rule.ports ?? []) {
            const used = ipBlock
              ? guarded.some(({ workload, mentions }) => usesExternal(port, mentions, workload.texts))
              : guarded.some((mine) =>
                  others.some((other) =>
                    way === 'egress'
                      ? uses(mine.workload, other.workload, port, mine.mentions)
                      : uses(other.workload, mine.workload, port, other.mentions),
                  ),
                );
            if (used) continue;
            yield {
              object: policy,
              field: `spec.${way}[${at}]`,
              wrong: `it allows ${ipBlock?.cidr ?? Object.values(podSelector?.matchLabels ?? {}).join(' ')} ${port.port}/${port.protocol}, and no config uses it`,
              fix: 'remove the connection, or use the address that it returns',
            };
          }
        }
      }
    }
  }
}
