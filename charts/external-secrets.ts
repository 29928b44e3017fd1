import { Chart } from 'cdk8s';
import type { Construct } from 'constructs';
import {
  ExternalSecretSpecDataRemoteRefConversionStrategy as ConversionStrategy,
  ExternalSecretSpecTargetCreationPolicy as CreationPolicy,
  ExternalSecretSpecDataRemoteRefDecodingStrategy as DecodingStrategy,
  ExternalSecret,
  type ExternalSecretSpec,
  ExternalSecretSpecDataFromSourceRefGeneratorRefKind as GeneratorKind,
  ExternalSecretSpecDataRemoteRefMetadataPolicy as MetadataPolicy,
  ExternalSecretSpecRefreshPolicy as RefreshPolicy,
  ExternalSecretSpecSecretStoreRefKind as StoreKind,
} from '../imports/external-secrets.io.ts';
import { PasswordSpecEncoding as Encoding, Password, type PasswordSpec } from '../imports/generators.external-secrets.io.ts';
import type { Shared } from '../lib/component.ts';
import type { SecretFormat, SecretRef } from '../lib/secret.ts';

/** How the External Secrets Operator creates the Secrets: from a store that holds the values, or with a generator in the cluster. */
export type ExternalSecretsSettings =
  | {
      readonly from: 'store';
      readonly store: { readonly kind: 'SecretStore' | 'ClusterSecretStore'; readonly name: string };
      /** Prefix of a Secret's name in the store; the keys are properties of the entry. */
      readonly prefix: string;
    }
  | { readonly from: 'generator' };

interface ExternalSecretsProps {
  readonly settings: ExternalSecretsSettings;
  readonly secrets: readonly SecretRef[];
}

type Generated = Exclude<SecretFormat, 'given'>;

/** The generator's settings for each format: letters and digits with at least 190 bits of entropy, or 95 in a uuid. */
const generators: Readonly<Record<Generated, PasswordSpec>> = {
  password: { length: 43, symbols: 0, noUpper: false, allowRepeat: true },
  key: { length: 43, symbols: 0, noUpper: false, allowRepeat: true },
  // 32 bytes as base64.
  gossip: { length: 32, symbols: 0, noUpper: false, allowRepeat: true, encoding: Encoding.BASE64 },
  // 16 bytes as 32 hexadecimal digits; the template adds the dashes.
  uuid: { length: 16, symbols: 0, noUpper: false, allowRepeat: true, encoding: Encoding.HEX },
};

/** An ExternalSecret for each Secret, with exactly its keys. */
export class ExternalSecrets extends Chart {
  constructor(scope: Construct, id: string, shared: Shared, { settings, secrets }: ExternalSecretsProps) {
    const labels = {
      ...shared.labels,
      'app.kubernetes.io/name': id,
      'app.kubernetes.io/instance': id,
      'app.kubernetes.io/component': 'secrets',
    };
    super(scope, id, { ...shared, labels });

    for (const secret of secrets) {
      const spec = settings.from === 'store' ? fromStore(secret, settings) : this.fromGenerator(secret);
      new ExternalSecret(this, secret.name, { metadata: { name: secret.name }, spec });
    }
  }

  /** Created once, and kept when the ExternalSecret is deleted: the services were set up with these values. */
  private fromGenerator({ name, keys }: SecretRef): ExternalSecretSpec {
    const formats = Object.entries(keys).map(([key, { format }]) => ({ key, format: format as Generated }));
    const dataFrom = [...new Set(formats.map(({ format }) => format))].map((format) => {
      const generator = `${name}-${format}`;
      const secretKeys = formats.filter((each) => each.format === format).map(({ key }) => key);
      new Password(this, generator, { metadata: { name: generator }, spec: { ...generators[format], secretKeys } });
      return { sourceRef: { generatorRef: { apiVersion: Password.GVK.apiVersion, kind: GeneratorKind.PASSWORD, name: generator } } };
    });
    const value = (key: string, from: number, to: number) => `{{ index . "${key}" | substr ${from} ${to} }}`;
    const uuid = (key: string) =>
      [value(key, 0, 8), value(key, 8, 12), value(key, 12, 16), value(key, 16, 20), value(key, 20, 32)].join('-');
    const data = formats.map(({ key, format }) => [key, format === 'uuid' ? uuid(key) : `{{ index . "${key}" }}`]);
    return {
      refreshPolicy: RefreshPolicy.CREATED_ONCE,
      target: { name, creationPolicy: CreationPolicy.ORPHAN, template: { data: Object.fromEntries(data) } },
      dataFrom,
    };
  }
}

/** The API server's defaults: `data` is an atomic list, so a second server-side applier would conflict without them. */
const DEFAULTS = {
  conversionStrategy: ConversionStrategy.DEFAULT,
  decodingStrategy: DecodingStrategy.NONE,
  metadataPolicy: MetadataPolicy.NONE,
};

function fromStore({ name, keys }: SecretRef, settings: Extract<ExternalSecretsSettings, { from: 'store' }>): ExternalSecretSpec {
  const kind = settings.store.kind === 'SecretStore' ? StoreKind.SECRET_STORE : StoreKind.CLUSTER_SECRET_STORE;
  return {
    secretStoreRef: { kind, name: settings.store.name },
    refreshInterval: '1h0m0s',
    // With Owner, pruning the ExternalSecret would delete the Secret.
    target: { name, creationPolicy: CreationPolicy.ORPHAN },
    data: Object.keys(keys).map((key) => ({ secretKey: key, remoteRef: { key: `${settings.prefix}${name}`, property: key, ...DEFAULTS } })),
  };
}
