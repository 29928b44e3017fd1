import { beforeEach, expect, test } from 'vitest';
import { confirmedContext, isLocal } from './confirm.ts';

let answer = '';
const questions: string[] = [];
beforeEach(() => questions.splice(0));

const confirmed = (named?: string, current = 'production') =>
  confirmedContext(named, (context) => `This changes "${context}"`, {
    current: async (name) => name ?? current,
    askPerson: async (question) => {
      questions.push(question);
      return answer;
    },
  });

test('only local test clusters are used without confirmation', () => {
  expect(['kind-x', 'k3d-x', 'minikube', 'docker-desktop'].every(isLocal)).toBe(true);
  expect(['production', 'my-kind-x', 'minikube-prod', 'gke_kind'].some(isLocal)).toBe(false);
});

test('a named context, and a local test cluster, need no confirmation', async () => {
  expect(await confirmed('production')).toBe('production');
  expect(await confirmed(undefined, 'kind-x')).toBe('kind-x');
  expect(questions).toEqual([]);
});

test('any other context needs a yes', async () => {
  answer = 'y';
  expect(await confirmed()).toBe('production');
  expect(questions).toEqual(['This changes "production". Continue? [y/N] ']);
  for (answer of ['', 'n', 'sure']) await expect(confirmed()).rejects.toThrow(/^cancelled: nothing was changed$/);
});
