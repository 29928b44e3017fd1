import type { Finding, Platform } from './platform.ts';

/** Every image has a registry and a fixed tag: not latest, a branch or a major release. */
export function* images(platform: Platform): Iterable<Finding> {
  for (const { object, containers } of platform.workloads) {
    for (const { container, field } of containers) {
      const { image } = container;
      const at = { object, field: `${field}.image` };
      const [, tag = ''] = /:([\w.-]+)(?:@sha256:\w+)?$/.exec(image) ?? [];
      if (!/^[\w.-]+\.[\w.-]+(:\d+)?\//.test(image))
        yield { ...at, wrong: `"${image}" has no registry`, fix: 'write registry/repository:tag' };
      if (/@sha256:/.test(image) || (tag && !/^(latest|stable|main|master|edge|nightly|v?\d+(\.\d+)?(-[a-z]\w*)?)$/.test(tag))) continue;
      yield { ...at, wrong: `the tag "${tag}" may move to another image`, fix: 'pin a full version, or a digest' };
    }
  }
}
