import type { Finding, Platform } from './platform.ts';

/** Every image is named by registry, repository and a tag that stays: not latest, not a branch, not a major release. */
export function* images(platform: Platform): Iterable<Finding> {
  for (const { object, pod } of platform.workloads) {
    for (const [at, { image }] of pod.containers.entries()) {
      const field = `spec.template.spec.containers[${at}].image`;
      const [, tag = ''] = /:([\w.-]+)(?:@sha256:\w+)?$/.exec(image) ?? [];
      if (!/^[\w.-]+\.[\w.-]+(:\d+)?\//.test(image))
        yield { object, field, wrong: `"${image}" names no registry`, fix: 'write registry/repository:tag' };
      if (/@sha256:/.test(image) || (tag && !/^(latest|stable|main|master|edge|nightly|v?\d+(\.\d+)?(-[a-z]\w*)?)$/.test(tag))) continue;
      yield { object, field, wrong: `the tag "${tag}" floats: what it names changes by itself`, fix: 'pin a full version, or a digest' };
    }
  }
}
