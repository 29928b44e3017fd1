import { cpSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/** A copy of the project, to change. */
export function copy(): string {
  const project = mkdtempSync(join(tmpdir(), 'platform-'));
  const left = ['node_modules', '.git', 'dist'].map((name) => resolve(name));
  cpSync('.', project, { recursive: true, filter: (path) => !left.includes(resolve(path)) });
  symlinkSync(resolve('node_modules'), join(project, 'node_modules'));
  return project;
}

/** Replaces a text that the file must hold. */
export function edit(file: string, from: string, to: string): void {
  const text = readFileSync(file, 'utf8');
  if (!text.includes(from)) throw new Error(`${file} does not hold ${from}`);
  writeFileSync(file, text.replace(from, to));
}
