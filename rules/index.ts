import type { Manifest } from '../lib/render.ts';
import { accounts } from './accounts.ts';
import { addresses } from './addresses.ts';
import { batches } from './batches.ts';
import { budgets } from './budgets.ts';
import { claims } from './claims.ts';
import { configs } from './configs.ts';
import { datasources } from './datasources.ts';
import { duplicates } from './duplicates.ts';
import { governingServices } from './governing-services.ts';
import { grace } from './grace.ts';
import { images } from './images.ts';
import { immutable } from './immutable.ts';
import { mounts } from './mounts.ts';
import { openPaths, usedPaths } from './paths.ts';
import { plainSecrets } from './plain-secrets.ts';
import { type Facts, Platform, type Rule } from './platform.ts';
import { policies } from './policies.ts';
import { ports } from './ports.ts';
import { probes } from './probes.ts';
import { quorums } from './quorums.ts';
import { quota } from './quota.ts';
import { resources } from './resources.ts';
import { scrapes } from './scrapes.ts';
import { secrets } from './secrets.ts';
import { services } from './services.ts';

/** Every rule, by the name that ends its findings. */
export const rules: Readonly<Record<string, Rule>> = {
  accounts,
  addresses,
  batches,
  budgets,
  claims,
  configs,
  datasources,
  duplicates,
  immutable,
  governingServices,
  grace,
  images,
  mounts,
  openPaths,
  plainSecrets,
  policies,
  ports,
  probes,
  quorums,
  quota,
  resources,
  scrapes,
  secrets,
  services,
  usedPaths,
};

/** One line for each finding: file, object, field, problem, fix and rule. */
export function check(files: ReadonlyMap<string, readonly Manifest[]>, facts: Facts): string[] {
  const platform = new Platform([...files.values()].flat(), facts);
  const fileOf = new Map([...files].flatMap(([file, objects]) => objects.map((object) => [object, file] as const)));
  return Object.entries(rules).flatMap(([name, rule]) =>
    [...rule(platform)].map(
      ({ object, field, wrong, fix }) =>
        `${fileOf.get(object)}: ${object.kind} ${object.metadata.name}: ${field}: ${wrong}; ${fix} (${name})`,
    ),
  );
}
