import { type Finding, type Platform, PROBES } from './platform.ts';

// Charts use no path of an image below these folders, only mounted ones.
const MOUNTED = /(?<![\w.$}"-])\/(?:etc|opt|run|var)\/[\w-]+(?:\/[\w.-]*\w)*/g;

/** Every path in a command, a variable, a probe or a config is mounted. */
export function* mounts(platform: Platform): Iterable<Finding> {
  for (const { object, containers, texts } of platform.workloads) {
    for (const { container, field } of containers) {
      const { command = [], args = [], env = [], volumeMounts = [] } = container;
      const probes = PROBES.flatMap((probe) => container[probe]?.exec?.command ?? []);
      const used = [...command, ...args, ...env.flatMap(({ value }) => value ?? []), ...probes, ...texts].flatMap(
        (text) => text.match(MOUNTED) ?? [],
      );
      for (const path of new Set(used)) {
        const isMounted = volumeMounts.some(({ mountPath }) => `${path}/`.startsWith(`${mountPath}/`) || mountPath.startsWith(`${path}/`));
        if (!isMounted)
          yield {
            object,
            field: `${field}.volumeMounts`,
            wrong: `${path} is used, and no volume is mounted there`,
            fix: 'add the mount to the container',
          };
      }
    }
  }
}
