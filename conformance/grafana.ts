import assert from 'node:assert/strict';
import { parse } from 'yaml';
import type { Check, Suite } from './check.ts';
import { container, editContainer, editFile, removeEnv } from './manifests.ts';
import { basicAuth } from './metrics.ts';
import type { Pod } from './pod.ts';
import { type DataSource, dashboards, dataSources } from './provisioning.ts';
import { startTempo } from './tempo.ts';

/** Settings of Grafana 13 that `configkeys` lacks, because its list is of Grafana 9.5. */
const NEW_SETTINGS = [
  'GF_PLUGINS_DISABLE_PLUGINS',
  'GF_PLUGINS_PUBLIC_KEY_RETRIEVAL_DISABLED',
  'GF_SECRETS_MANAGER_ENCRYPTION_SECRET_KEY_V1_SECRET_KEY__FILE',
];

const keyChecks: readonly Check[] = [
  {
    name: 'Every GF_ variable is a setting of Grafana',
    async run(sandbox) {
      const pod = sandbox.pod('grafana');
      const names = pod.container().env?.map(({ name }) => name) ?? [];
      const stdin = names.filter((name) => name.startsWith('GF_') && !NEW_SETTINGS.includes(name)).join('\n');
      await pod.run(['configkeys', 'grafana', '-'], { stdin });
    },
    broken: {
      edit: editContainer('grafana', ({ env = [] }) => ({ env: [...env, { name: 'GF_USERS_ALLOW_SIGNUP', value: 'false' }] })),
      error: /GF_USERS_ALLOW_SIGNUP: unknown/,
    },
  },
  {
    name: 'Grafana expands no variable in its provisioning files, and loads dashboards from the mounted folder',
    async run(sandbox) {
      for (const configMap of ['grafana-datasources', 'grafana-providers']) {
        const single = sandbox
          .file(configMap, 'platform.yaml')
          .replaceAll('$$', '')
          .match(/.*\$.*/);
        assert.equal(single, null, `${configMap} has a dollar that is not doubled, which Grafana expands: ${single}`);
      }
      const { mountPath } = container(sandbox.manifests, 'grafana').volumeMounts?.find(({ name }) => name === 'grafana-dashboards') ?? {};
      const { providers } = parse(sandbox.file('grafana-providers', 'platform.yaml'));
      for (const { options } of providers) assert.equal(options.path, mountPath, 'a provider of dashboards has another folder');
    },
    broken: [
      {
        edit: editFile('grafana-datasources', 'platform.yaml', '$${__value.raw}', '${__value.raw}'),
        error: /a dollar that is not doubled/,
      },
      { edit: editFile('grafana-providers', 'platform.yaml', /path: .*/, 'path: /tmp'), error: /another folder/ },
    ],
  },
];

/** Sends a request as the administrator. */
const get = (pod: Pod, path: string, password: string) =>
  pod.fetch('grafana', path, { headers: { Authorization: basicAuth('admin', password) } });

const serverChecks: readonly Check[] = [
  {
    name: "Every Grafana probe succeeds, only the Secret's password logs in, and the data sources and dashboards are provisioned",
    async run(sandbox) {
      const pod = sandbox.pod('grafana');
      await pod.startUntil('startup', 60);
      await pod.waitFor('readiness', 5);
      await pod.waitFor('liveness', 5);
      assert.equal((await get(pod, '/api/datasources', 'admin')).status, 401, 'it accepts the default password');
      const password = sandbox.secrets.get('grafana', 'admin-password');
      const actual = (await (await get(pod, '/api/datasources', password)).json()) as readonly DataSource[];
      const comparable = (sources: readonly DataSource[]) =>
        sources.map(({ uid, url, jsonData }) => ({ uid, url, jsonData })).sort((one, other) => one.uid.localeCompare(other.uid));
      assert.deepEqual(comparable(actual), comparable(dataSources(sandbox)), 'its data sources differ from the provisioning file');
      for (const { uid } of dashboards(sandbox)) {
        assert.equal((await get(pod, `/api/dashboards/uid/${uid}`, password)).status, 200, `it lacks the dashboard ${uid}`);
      }
    },
    broken: { edit: removeEnv('grafana', 'GF_SECURITY_ADMIN_PASSWORD__FILE'), error: /default password/ },
  },
  {
    name: 'Grafana reports Tempo as healthy, through a gRPC stream on its HTTP port (blocks of Tempo on its disk)',
    async run(sandbox) {
      await startTempo(sandbox);
      const pod = sandbox.pod('grafana');
      await pod.startUntil('readiness', 60);
      const response = await get(pod, '/api/datasources/uid/tempo/health', sandbox.secrets.get('grafana', 'admin-password'));
      const { status, message } = (await response.json()) as { readonly status: string; readonly message: string };
      assert.equal(`${response.status} ${status}`, '200 OK', `Tempo is not healthy: ${message}`);
    },
    broken: {
      edit: editFile('tempo', 'tempo.yaml', 'stream_over_http_enabled: true', 'stream_over_http_enabled: false'),
      error: /Tempo is not healthy/,
    },
  },
];

export const grafanaKeys: Suite = { name: 'grafana keys', programs: ['configkeys'], keysOnly: true, checks: keyChecks };

export const grafana: Suite = { name: 'grafana', programs: ['grafana', 'tempo'], checks: serverChecks };
