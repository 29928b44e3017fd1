import { execFileSync } from 'node:child_process';
import { accessSync, constants, existsSync, realpathSync } from 'node:fs';
import { basename, delimiter, dirname, join } from 'node:path';

/** How a program of the platform is found and started where there is no image. */
interface Kind {
  /** What the program may be called: the first that is found is taken. */
  readonly names: readonly [string, ...string[]];
  /** A stand-in, taken where the program is not found: its file's name and what goes before the arguments. */
  readonly standin?: readonly [string, ...string[]];
  /** Arguments that make it print its version. @default - it has none of its own */
  readonly version?: readonly string[];
  /** The image, without its tag, whose entrypoint it is. @default - containers name it in their command */
  readonly image?: string;
}

/** Every program that takes part, by the name it has in its image. */
const kinds = {
  'redis-server': { names: ['redis-server'], version: ['--version'] },
  'redis-cli': { names: ['redis-cli'], version: ['--version'] },
  redis_exporter: {
    names: ['redis_exporter', 'prometheus-redis-exporter'],
    version: ['--version'],
    image: 'docker.io/oliver006/redis_exporter',
  },
  prometheus: { names: ['prometheus'], version: ['--version'], image: 'docker.io/prom/prometheus' },
  promtool: { names: ['promtool'], version: ['--version'] },
  'otelcol-contrib': { names: ['otelcol-contrib'], version: ['--version'], image: 'docker.io/otel/opentelemetry-collector-contrib' },
  consul: { names: ['consul'], version: ['version'] },
  curl: { names: ['curl'], version: ['--version'] },
  python3: { names: ['python3'], version: ['--version'] },
  celery: { names: ['celery'], version: ['--version'] },
  'celery-exporter': {
    names: ['celery-exporter'],
    standin: ['celery-exporter-standin'],
    image: 'docker.io/danihodovic/celery-exporter',
  },
  arangod: { names: ['arangod'], standin: ['arangodb-standin'] },
  tempo: { names: ['tempo'], standin: ['services-standin', 'tempo'], version: ['-version'], image: 'docker.io/grafana/tempo' },
  loki: { names: ['loki'], standin: ['services-standin', 'loki'], version: ['-version'], image: 'docker.io/grafana/loki' },
  grafana: { names: ['grafana-server'], standin: ['services-standin', 'grafana'], version: ['-v'], image: 'docker.io/grafana/grafana' },
  configkeys: { names: ['configkeys'] },
} as const satisfies Readonly<Record<string, Kind>>;

/** The name of a program that takes part. */
export type ProgramName = keyof typeof kinds;

/** A program that was found. */
interface FoundProgram {
  /** What starts it, its own file first. */
  readonly command: readonly [string, ...string[]];
  /** `7.0.15`. @default - it tells none */
  readonly version?: string;
  readonly standin: boolean;
}

/** The programs of this machine. */
export type Programs = Readonly<Partial<Record<ProgramName, FoundProgram>>>;

/** Looks in `folders`, then on PATH. */
export function findPrograms(folders: readonly string[]): Programs {
  const places = [...folders, ...(process.env.PATH ?? '').split(delimiter).filter(Boolean)];
  const where = (name: string) => places.map((folder) => join(folder, name)).find(runs);
  const found = Object.entries<Kind>(kinds).flatMap(([name, kind]) => {
    const real = kind.names.map(where).find((path) => path !== undefined);
    if (real) return [[name, { command: [real], version: versionOf(real, kind), standin: false }]];
    const [file, ...args] = kind.standin ?? [''];
    const standin = file && where(file);
    return standin ? [[name, { command: [standin, ...args], standin: true }]] : [];
  });
  return Object.fromEntries(found);
}

/** Whether the name is one of those above. */
export function isProgram(name: string): name is ProgramName {
  return name in kinds;
}

/** The names, for a person. */
export const programNames = Object.keys(kinds);

/** The program that an image starts when the container names no command. Throws a sentence for an image that nobody described. */
export function entrypointOf(image: string): ProgramName {
  const repository = image.replace(/[:@].*/, '');
  const [name] = Object.entries<Kind>(kinds).find(([, kind]) => kind.image === repository) ?? [];
  if (!name || !isProgram(name)) throw new Error(`${image}: which program its entrypoint starts is not in conformance/programs.ts`);
  return name;
}

/** The folders that a program needs to be seen with: its own, and what is installed beside it, such as Python's library. */
export function foldersOf(programs: Programs): readonly string[] {
  const own = Object.values(programs).flatMap(({ command: [file] }) => [dirname(file), dirname(realpathSync(file))]);
  const all = own.map((folder) => (existsSync(join(folder, '../lib')) ? dirname(folder) : folder));
  return [...new Set(all)].filter((folder) => folder !== '/usr' && !/^\/(usr\/)?(s?bin|lib)?$/.test(folder));
}

function runs(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function versionOf(path: string, kind: Kind): string | undefined {
  if (!kind.version) return undefined;
  try {
    const said = execFileSync(path, [...kind.version], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: 60_000 });
    return /\d+\.\d+(\.\d+)?/.exec(said)?.[0];
  } catch {
    throw new Error(`${path} ${kind.version.join(' ')} failed: is it ${basename(path)} for this machine?`);
  }
}
