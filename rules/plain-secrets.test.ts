import { container, testRule } from './testing.ts';

testRule('plainSecrets', [
  [
    'a Secret with a value',
    (_, objects) => objects.push({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'x' }, stringData: { a: 'b' } }),
    'Secret x: data: a Secret with values would be committed',
  ],
  [
    'a variable',
    (find) => container(find('Deployment', 'client')).env.push({ name: 'DB_PASSWORD', value: 'hunter22' }),
    'env.DB_PASSWORD: its value looks like a secret',
  ],
  [
    'a password in a URL',
    (find) => (container(find('Deployment', 'client')).env[1].value = 'redis://:hunter22@server:6379/0'),
    'env.URL: its value looks like a secret',
  ],
  [
    'an argument',
    (find) => container(find('Deployment', 'client')).args.push('--requirepass-token=hunter22'),
    'an argument looks like a secret',
  ],
  [
    'a config',
    (find) => (find('ConfigMap', 'client').data['client.yaml'] = 'basic_auth: {password: hunter22}\n'),
    'data.client.yaml: "password:…" looks like a secret',
  ],
]);
