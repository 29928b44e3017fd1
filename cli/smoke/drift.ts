import { amountOf } from '../../lib/quantity.ts';
import type { Manifest } from '../../lib/render.ts';
import { readers } from '../secrets/generate.ts';
import { resultOf } from './check-result.ts';
import type { SmokeRun } from './job.ts';

/** Reports whether disks and Secrets in the cluster match the manifests. */
export async function drift({ kubectl, profile, report }: SmokeRun): Promise<void> {
  const manifests = [...profile.objects, ...profile.smoke];
  const command = (kind: string) => `kubectl --namespace ${kubectl.namespace} get ${kind}`;

  const claims = await timed(kubectl.objects(['get', 'persistentvolumeclaims']));
  const disks = disksOf(manifests);
  const wrong = diskProblems(disks, claims.value);
  report(
    resultOf('every disk is bound and as large as stated', claims.seconds, wrong, `${disks.size} disks`, command('persistentvolumeclaims')),
  );

  // Only the names of keys: no value leaves the cluster.
  const template = '{{range .items}}{{.metadata.name}}{{range $key, $value := .data}} {{$key}}{{end}}{{"\\n"}}{{end}}';
  const secrets = await timed(kubectl.run(['get', 'secrets', `--output=go-template=${template}`]));
  const keys = [...new Set(readers(manifests).map(({ secret, key }) => `${secret}/${key}`))];
  const missing = missingKeys(keys, secrets.value).map((key) => `${key} is missing`);
  report(resultOf('every Secret has the keys that pods read', secrets.seconds, missing, `${keys.length} keys`, command('secrets')));
}

async function timed<Value>(answer: Promise<Value>): Promise<{ readonly value: Value; readonly seconds: number }> {
  const started = performance.now();
  return { value: await answer, seconds: (performance.now() - started) / 1000 };
}

/** The size of each disk in the manifests, by the name of its claim. */
export function disksOf(manifests: readonly Manifest[]): ReadonlyMap<string, string> {
  const size = ({ spec }: Manifest): string => spec.resources.requests.storage;
  return new Map(
    manifests.flatMap((manifest): readonly (readonly [string, string])[] => {
      const { kind, metadata, spec } = manifest;
      if (kind === 'PersistentVolumeClaim') return [[metadata.name, size(manifest)]];
      const templates: readonly Manifest[] = kind === 'StatefulSet' ? (spec.volumeClaimTemplates ?? []) : [];
      return templates.flatMap((template) =>
        Array.from(
          { length: spec.replicas },
          (_, index) => [`${template.metadata.name}-${metadata.name}-${index}`, size(template)] as const,
        ),
      );
    }),
  );
}

/** Disks that are not bound, or are smaller than the manifests state. */
export function diskProblems(disks: ReadonlyMap<string, string>, claims: readonly Manifest[]): readonly string[] {
  return [...disks].flatMap(([name, size]) => {
    const { phase, capacity } = claims.find(({ metadata }) => metadata.name === name)?.status ?? {};
    if (phase !== 'Bound') return [`${name} is ${phase ?? 'missing'}`];
    return amountOf(capacity.storage) < amountOf(size) ? [`${name} has ${capacity.storage}, not ${size}`] : [];
  });
}

/** The keys, as `secret/key`, that the cluster lacks. `listing` has a line for each Secret: its name, then its keys. */
export function missingKeys(keys: readonly string[], listing: string): readonly string[] {
  const existing = new Set(
    listing.split('\n').flatMap((line) => {
      const [name, ...keys] = line.trim().split(/\s+/);
      return keys.map((key) => `${name}/${key}`);
    }),
  );
  return keys.filter((key) => !existing.has(key));
}
