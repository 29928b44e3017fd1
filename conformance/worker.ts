import { readFileSync } from 'node:fs';
import { Sandbox } from './sandbox.ts';
import { suites } from './suites.ts';

// Runs one check in the namespaces created by index.ts. Exits with 0 when it passes, with 1 and a sentence when it fails.
const { suite, check, manifests, programs, folder, fault } = JSON.parse(readFileSync(0, 'utf8'));
const found = suites.find(({ name }) => name === suite)?.checks.find(({ name }) => name === check);
if (!found) throw new Error(`${suite} has no check "${check}"`);

if (fault !== undefined) [found.broken].flat()[fault]?.edit(manifests);
const sandbox = new Sandbox(manifests, programs, folder);
found
  .run(sandbox)
  .then(() => sandbox.logs.assertNoSecretShown())
  .then(
    () => process.exit(0),
    (error: Error) => process.stdout.write(`${error.message}\n${sandbox.logs.tail()}\n`, () => process.exit(1)),
  );
