import { Size } from 'cdk8s';
import { expect, test } from 'vitest';
import { grafanaMemory } from './memory.ts';

test.each([
  [320, 164],
  [384, 216],
  [768, 523],
])('with three plugins in a container of %i MiB, Grafana’s limit is %i MiB', (limit, own) => {
  expect(grafanaMemory(Size.mebibytes(limit), 3)).toEqual({ GOMEMLIMIT: `${own}MiB` });
});
