/** The tag of an image reference, its digest left out: `redis:7.2@sha256:…` gives `7.2`. */
export function tagOf(image: string): string {
  const [reference = ''] = image.split('@');
  const tag = /:([\w][\w.-]{0,127})$/.exec(reference)?.[1];
  if (!tag) throw new Error(`image "${image}" has no tag: write it as registry/repository:tag, so that a rollout is a decision`);
  return tag;
}

/** The same images behind a mirror: `mirror.example/hub` + `docker.io/library/redis:7` = `mirror.example/hub/docker.io/library/redis:7`. */
export function mirrored<Name extends string>(images: Readonly<Record<Name, string>>, prefix?: string): Readonly<Record<Name, string>> {
  if (prefix === undefined) return images;
  const moved = Object.entries<string>(images).map(([name, image]) => [name, `${prefix.replace(/\/$/, '')}/${image}`]);
  return Object.fromEntries(moved) as Record<Name, string>;
}
