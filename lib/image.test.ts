import { expect, test } from 'vitest';
import { mirrored, tagOf } from './image.ts';

test('the tag is read without the registry’s port and the digest', () => {
  expect(tagOf('docker.io/library/redis:7.2.16-alpine')).toBe('7.2.16-alpine');
  expect(tagOf('registry.example:5000/redis:7@sha256:0123')).toBe('7');
});

test('an image without a tag is refused', () => {
  expect(() => tagOf('registry.example:5000/redis')).toThrow('image "registry.example:5000/redis" has no tag');
  expect(() => tagOf('redis@sha256:0123')).toThrow('has no tag');
});

test('a mirror is a prefix of the whole name', () => {
  const images = { redis: 'docker.io/library/redis:7' };
  expect(mirrored(images)).toBe(images);
  expect(mirrored(images, 'mirror.example/hub/')).toEqual({ redis: 'mirror.example/hub/docker.io/library/redis:7' });
});
