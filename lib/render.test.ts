import { App, Chart } from 'cdk8s';
import { k8s } from 'cdk8s-plus-27';
import { Construct } from 'constructs';
import { expect, test } from 'vitest';
import { manifests, podOf, text } from './render.ts';
import { component, shared } from './testing.ts';

test('the path of a chart is the path of its file', () => {
  const app = new App();
  new Chart(app, 'a', shared);
  new Chart(new Construct(app, 'folder'), 'b', shared);
  expect([...manifests(app).keys()]).toEqual(['a.yaml', 'folder/b.yaml']);
});

test('objects keep the order of their creation, and each is a YAML document', () => {
  const app = new App();
  component(new Chart(app, 'a', shared), 'a');
  const objects = manifests(app).get('a.yaml') ?? [];
  expect(objects.map(({ kind }) => kind)).toEqual(['ServiceAccount', 'NetworkPolicy']);
  expect(text(objects).match(/^kind: .*$/gm)).toEqual(['kind: ServiceAccount', 'kind: NetworkPolicy']);
  expect(objects.map(podOf)).toEqual([undefined, undefined]);
});

test('the name of a key has a checkov exception', () => {
  const spec = { data: [{ remoteRef: { key: 'platform/redis', property: 'password' }, secretKey: 'password' }] };
  const lines = text([{ apiVersion: 'external-secrets.io/v1', kind: 'ExternalSecret', metadata: { name: 'redis' }, spec }]).split('\n');
  expect(lines.filter((line) => line.includes('checkov:skip=CKV_SECRET_6:'))).toEqual([expect.stringMatching(/^ +secretKey: password # /)]);
});

test.each(['echo ${HOME}', 'a $$ literal', 'nothing to replace'])("Flux' substitution is disabled where it would change: %s", (script) => {
  const app = new App();
  new k8s.KubeConfigMap(new Chart(app, 'a', shared), 'config', { metadata: { annotations: { kept: 'yes' } }, data: { script } });
  const [config] = manifests(app).get('a.yaml') ?? [];
  const disabled = { 'kustomize.toolkit.fluxcd.io/substitute': 'disabled' };
  expect(config?.metadata.annotations).toEqual({ kept: 'yes', ...(script.includes('$') && disabled) });
});
