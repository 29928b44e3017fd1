import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/** Calls `use` with a folder for temporary files. */
export async function withFolder<Result>(use: (folder: string) => Promise<Result>): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), 'platform-'));
  try {
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Calls `use` with a copy of the project. */
export function withCopy<Result>(use: (project: string) => Promise<Result>): Promise<Result> {
  return withFolder((project) => {
    const skipped = ['node_modules', '.git', 'dist'].map((name) => resolve(name));
    cpSync('.', project, { recursive: true, filter: (path) => !skipped.includes(resolve(path)) });
    symlinkSync(resolve('node_modules'), join(project, 'node_modules'));
    return use(project);
  });
}

const SETTINGS = 'settings/index.ts';
const PROFILES = /export const profiles = \{ dev\b/;

/** Overrides settings of the profile dev in a copy of the project, such as `app: { ...dev.app, name: 'shop' }`. */
export function override(project: string, settings: readonly string[]): void {
  const source = readFileSync(SETTINGS, 'utf8');
  if (!PROFILES.test(source)) throw new Error(`${SETTINGS} does not match ${PROFILES}`);
  writeFileSync(
    join(project, SETTINGS),
    source.replace(PROFILES, (start) => `${start}: { ...dev, ${settings.join(', ')} }`),
  );
}
