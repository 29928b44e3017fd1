import { container, testRule } from './testing.ts';

testRule('secrets', [
  [
    'an unlisted key in a variable',
    (find) => (container(find('Deployment', 'client')).env[0].valueFrom.secretKeyRef.key = 'passwort'),
    'env.PASSWORD: no Secret redis has a key passwort; add the key to charts/secrets.ts, or use an existing one',
  ],
  [
    'an unlisted key in a file',
    (find) => (find('StatefulSet', 'server').spec.template.spec.volumes[0].secret.items[0].key = 'passwort'),
    'no Secret redis has a key passwort',
  ],
  [
    'a key that only a script reads',
    (find) => {
      container(find('Deployment', 'client')).env.push({ name: 'FOLDER', value: '/run/secrets/redis' });
      find('ConfigMap', 'client').data['start.sh'] = 'cat "$FOLDER/password"';
    },
    'its script reads password, which is not mounted; mount the key password of Secret redis',
  ],
  [
    'a file that is not mounted',
    (find) => (find('StatefulSet', 'server').spec.template.spec.volumes = []),
    'it reads /run/secrets/redis/password, which is not mounted',
  ],
]);
