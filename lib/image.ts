/** The tag of an image reference without its digest: `7.2` of `redis:7.2@sha256:…`. Throws without a tag. */
export function tagOf(image: string): string {
  const [reference = ''] = image.split('@');
  const tag = /:([\w][\w.-]{0,127})$/.exec(reference)?.[1];
  if (!tag) throw new Error(`image "${image}" has no tag: write it as registry/repository:tag`);
  return tag;
}

/** The images with the prefix of a mirror: `mirror.example/hub/docker.io/library/redis:7`. */
export function mirrored<Name extends string>(images: Readonly<Record<Name, string>>, prefix?: string): Readonly<Record<Name, string>> {
  if (prefix === undefined) return images;
  const moved = Object.entries<string>(images).map(([name, image]) => [name, `${prefix.replace(/\/$/, '')}/${image}`]);
  return Object.fromEntries(moved) as Record<Name, string>;
}
