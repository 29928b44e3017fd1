import { execFileSync } from 'node:child_process';
import { accessSync, constants, existsSync, realpathSync } from 'node:fs';
import { basename, delimiter, dirname, join } from 'node:path';

/** How a program is found and started without its image. */
interface Kind {
  /** Names of the file. @default - the program's name */
  readonly files?: readonly string[];
  /** The file and first arguments of a stand-in, used when the program itself is not found. */
  readonly standin?: readonly [string, ...string[]];
  /** Arguments that print the version. @default - the program prints none */
  readonly version?: readonly string[];
  /** The image whose entrypoint starts the program, without its tag. @default - the manifests name the program */
  readonly image?: string;
}

const kinds = {
  'redis-server': { version: ['--version'] },
  'redis-cli': { version: ['--version'] },
  redis_exporter: {
    files: ['redis_exporter', 'prometheus-redis-exporter'],
    version: ['--version'],
    image: 'docker.io/oliver006/redis_exporter',
  },
  prometheus: { version: ['--version'], image: 'docker.io/prom/prometheus' },
  promtool: { version: ['--version'] },
  'otelcol-contrib': { version: ['--version'], image: 'docker.io/otel/opentelemetry-collector-contrib' },
  consul: { version: ['version'] },
  curl: { version: ['--version'] },
  python3: { version: ['--version'] },
  celery: { version: ['--version'] },
  'celery-exporter': { standin: ['celery-exporter-standin'], image: 'docker.io/danihodovic/celery-exporter' },
  arangod: { standin: ['arangodb-standin'] },
  tempo: { standin: ['services-standin', 'tempo'], version: ['-version'], image: 'docker.io/grafana/tempo' },
  loki: { standin: ['services-standin', 'loki'], version: ['-version'], image: 'docker.io/grafana/loki' },
  grafana: {
    files: ['grafana-server'],
    standin: ['services-standin', 'grafana'],
    version: ['-v'],
    image: 'docker.io/grafana/grafana',
  },
  configkeys: {},
} as const satisfies Readonly<Record<string, Kind>>;

export type ProgramName = keyof typeof kinds;

export const programNames = Object.keys(kinds) as ProgramName[];

interface FoundProgram {
  /** The file and first arguments. */
  readonly command: readonly [string, ...string[]];
  readonly version?: string;
  readonly standin: boolean;
}

/** The programs of this machine. */
export type Programs = Readonly<Partial<Record<ProgramName, FoundProgram>>>;

/** Searches `folders`, then PATH. */
export function findPrograms(folders: readonly string[]): Programs {
  const places = [...folders, ...(process.env.PATH ?? '').split(delimiter).filter(Boolean)];
  const locate = (name: string) => places.map((folder) => join(folder, name)).find(isExecutable);
  const found = Object.entries<Kind>(kinds).flatMap(([name, kind]) => {
    const real = (kind.files ?? [name]).map(locate).find(Boolean);
    if (real) return [[name, { command: [real], version: versionOf(real, kind), standin: false }]];
    const [file = '', ...args] = kind.standin ?? [];
    const standin = file && locate(file);
    return standin ? [[name, { command: [standin, ...args], standin: true }]] : [];
  });
  return Object.fromEntries(found);
}

/** The program that an image's entrypoint starts. */
export function entrypointOf(image: string): ProgramName {
  const repository = image.replace(/[:@].*/, '');
  const name = programNames.find((each) => (kinds[each] as Kind).image === repository);
  if (!name) throw new Error(`${image}: add the program that its entrypoint starts to conformance/programs.ts`);
  return name;
}

/** The folders that a container needs to run the programs: their own, or the environment around them, such as Python's. */
export function foldersOf(programs: Programs): readonly string[] {
  const own = Object.values(programs).flatMap(({ command: [file] }) => [dirname(file), dirname(realpathSync(file))]);
  const all = own.map((folder) => (existsSync(join(folder, '../lib')) ? dirname(folder) : folder));
  return [...new Set(all)].filter((folder) => folder !== '/usr' && !/^\/(usr\/)?(s?bin|lib)?$/.test(folder));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function versionOf(path: string, { version }: Kind): string | undefined {
  if (!version) return undefined;
  try {
    const output = execFileSync(path, [...version], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: 60_000 });
    return /\d+\.\d+(\.\d+)?/.exec(output)?.[0];
  } catch {
    throw new Error(`${path} ${version.join(' ')} failed: is it ${basename(path)} for this machine?`);
  }
}
