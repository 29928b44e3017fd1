#!/usr/bin/env node
// `npx platform COMMAND`, from any folder of the project. Relative paths in arguments start from that folder, INIT_CWD.
import { join } from 'node:path';

process.env.INIT_CWD ??= process.cwd();
const root = join(import.meta.dirname, '..');
process.chdir(root);
process.argv.splice(2, 0, join(root, 'cli/index.ts'));
await import('../run.js');
