import { readFileSync } from 'node:fs';
import { Sandbox } from './sandbox.ts';
import { services } from './services.ts';

// One check, inside the namespaces that index.ts made for it. Ends with 0 when the promise is kept, with 1 and a sentence when not.
const { service, check, manifests, programs, folder, broken } = JSON.parse(readFileSync(0, 'utf8'));
const found = services.find(({ name }) => name === service)?.checks.find(({ name }) => name === check);
if (!found) throw new Error(`there is no check "${check}" of ${service}`);

if (broken) found.broken?.by(manifests);
const sandbox = new Sandbox(manifests, programs, folder);
found
  .run(sandbox)
  .then(() => sandbox.assertNoSecretShown())
  .then(
    () => process.exit(0),
    (error: Error) => {
      process.stdout.write(`${error.message}\n${sandbox.logs()}\n`, () => process.exit(1));
    },
  );
