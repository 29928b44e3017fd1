import { expect, test } from 'vitest';
import { profileOf } from '../profile.ts';
import { diskProblems, disksOf, missingKeys } from './drift.ts';

const disks = disksOf(profileOf('dev').objects);
const claim = (name: string, phase: string, storage = '0') => ({
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name },
  status: { phase, capacity: { storage } },
});

test('every disk of the manifests is bound and large enough', () => {
  expect([...disks.keys()]).toEqual(expect.arrayContaining(['data-redis-0', 'grafana', 'tempo']));
  expect(
    diskProblems(
      disks,
      [...disks].map(([name, size]) => claim(name, 'Bound', size)),
    ),
  ).toEqual([]);
  const problems = diskProblems(disks, [
    claim('data-redis-0', 'Bound', '1Mi'),
    claim('grafana', 'Pending'),
    claim('tempo', 'Bound', '1Ti'),
  ]);
  expect(problems).toContain(`data-redis-0 has 1Mi, not ${disks.get('data-redis-0')}`);
  expect(problems).toContain('grafana is Pending');
  expect(problems).toContain('data-loki-0 is missing');
  expect(problems.filter((problem) => problem.startsWith('tempo'))).toEqual([]);
});

test('every key that pods read exists', () => {
  const listing = 'redis password\nconsul gossip-key app-token\n';
  expect(missingKeys(['redis/password', 'consul/app-token', 'grafana/secret-key'], listing)).toEqual(['grafana/secret-key']);
});
