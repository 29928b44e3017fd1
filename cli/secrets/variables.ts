/** Values by `secret/key`. */
export type SecretValues = ReadonlyMap<string, string>;

/** The variables of an env file that hold secrets, and the keys that each fills. */
export const VARIABLES: Readonly<Record<string, readonly string[]>> = {
  ARANGO_ROOT_PASSWORD: ['arangodb/root-password'],
  ARANGO_PASSWORD: ['arangodb/password'],
  REDIS_PASSWORD: ['redis/password', 'redis-cache/password'],
  S3_ACCESS_KEY: ['object-storage/access-key'],
  S3_SECRET_KEY: ['object-storage/secret-key'],
};

/** The variable that fills a key, given as `secret/key`. */
export function variableOf(path: string): string | undefined {
  return Object.keys(VARIABLES).find((variable) => VARIABLES[variable]?.includes(path));
}
